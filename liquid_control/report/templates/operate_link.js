// The two sockets of the page. Commands have one of their own; each carries the word of its connection,
// a number that goes up by one, and the latest tick of the server, by which the server knows how late it is.

const AGAIN = 500; // ms

function address(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/${path}`;
}

class Socket {
  constructor(path, hear, change) {
    Object.assign(this, { path, hear, change });
    this.open();
  }

  open() {
    this.socket = new WebSocket(address(this.path));
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => this.hear(event.data);
    this.socket.onopen = () => this.change(true);
    this.socket.onclose = () => {
      this.change(false);
      setTimeout(() => this.open(), AGAIN);
    };
  }

  get up() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(data) {
    if (this.up) this.socket.send(JSON.stringify(data));
    return this.up;
  }
}

export class Watch {
  constructor({ facts, picture, change }) {
    this.socket = new Socket("watch", (data) => this.hear(data), (up) => {
      if (up && this.source) this.socket.send({ source: this.source });
      change(up);
    });
    Object.assign(this, { facts, picture });
  }

  hear(data) {
    if (typeof data === "string") return this.facts(JSON.parse(data));
    const number = new DataView(data).getUint32(0);
    const seen = () => this.socket.send({ seen: number });
    this.picture(new Blob([new Uint8Array(data, 4)], { type: "image/jpeg" })).then(seen, seen);
  }

  choose(source) {
    this.source = source;
    this.socket.send({ source });
  }
}

export class Command {
  // `stick` gives [steering, speed] while the person drives by hand, else null.
  constructor({ answer, change, stick }) {
    Object.assign(this, { answer, change, stick });
    this.forget();
    this.socket = new Socket("command", (data) => this.hear(JSON.parse(data)), (up) => {
      this.forget();
      change();
    });
  }

  forget() {
    Object.assign(this, { session: "", number: 0, tick: 0, drives: false, taken: false });
    clearInterval(this.timer);
    this.timer = null;
  }

  get up() {
    return this.session !== "" && this.socket.up;
  }

  hear(said) {
    if (said.session) {
      this.session = said.session;
      this.beat = said.beat * 1000;
    } else if (said.tick) {
      this.tick = said.tick;
      if (said.drives !== this.drives || said.taken !== this.taken) this.turn(said);
    } else {
      this.answer(said);
    }
    if (said.session) this.change();
  }

  turn({ drives, taken }) {
    Object.assign(this, { drives, taken });
    clearInterval(this.timer);
    this.timer = drives ? setInterval(() => this.send("beat", { stick: this.stick() }), this.beat) : null;
    this.change();
  }

  send(kind, more = {}) {
    if (!this.up) return false;
    this.number += 1;
    const { session, number, tick } = this;
    return this.socket.send({ session, number, tick, kind, ...more });
  }
}
