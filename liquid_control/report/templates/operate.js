import { Command, Watch } from "./operate_link.js";

const byId = (id) => document.getElementById(id);
const SLOW = 150; // ms from camera to page
const STEPS = { steering: 0.12, speed: 0.08 }; // of the keyboard's stick per beat
const KEYS = {
  ArrowUp: "up", KeyW: "up", ArrowDown: "down", KeyS: "down",
  ArrowLeft: "left", KeyA: "left", ArrowRight: "right", KeyD: "right",
};

const DRIVES = new Set(["engaging", "engaged", "degraded"]);
const SAID = { disengaged: "Not driving", stopped: "Stopped", fault: "Fault", degraded: "Degraded, stopping", engaging: "Starting" };
const ANSWER_STAYS = 8000; // ms, of one that was accepted

let facts = null;
let forgetting = null;
let due = false;
let frames = [];
const keys = new Set();
const stick = { steering: 0, speed: 0, held: false };

const command = new Command({
  change: showControls,
  stick: () => (facts?.gate.driver === "hand" ? stickNow() : null),
  answer: ({ answer, accepted }) => {
    if (!answer) return;
    byId("answer").textContent = answer;
    byId("answer").dataset.accepted = accepted ? "yes" : "no";
    clearTimeout(forgetting);
    if (accepted) forgetting = setTimeout(() => text("answer", ""), ANSWER_STAYS);
    showControls();
  },
});

const watch = new Watch({
  change: (up) => {
    byId("link").dataset.up = up ? "yes" : "no";
    byId("link").textContent = up ? "connected" : "no connection";
    if (!up) show(null);
  },
  facts: showSoon,
  picture: draw,
});

// *** what is shown ***

async function draw(blob) {
  const picture = await createImageBitmap(blob);
  await new Promise(requestAnimationFrame); // a slow page draws fewer, a hidden one none
  const canvas = byId("picture");
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    Object.assign(canvas, { width: picture.width, height: picture.height });
  }
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  const now = performance.now();
  frames = [...frames.filter((at) => now - at < 2000), now];
}

function showSoon(latest) { // once a frame, so that a slow page does not fall behind
  if (!facts) return show(latest);
  facts = latest;
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (facts) show(facts);
  });
}

function show(latest) {
  facts = latest;
  const gate = facts?.gate ?? { state: "", reason: "", driver: "" };
  const silent = facts && !gate.heard;
  const state = !facts ? "no connection" : !gate.state ? "no gate" : gate.reason === "taken over" ? "taken over" : gate.state;
  document.body.dataset.state = silent && gate.state ? "none" : state;
  text("state", silent && gate.state ? "gate silent" : state);
  const who = gate.driver === "hand" ? "a person by hand" : "the policy";
  text("driver", !gate.state ? "" : DRIVES.has(gate.state) ? `driven by ${who}` : `engage: then ${who} drives`);
  text("pages", facts ? `${facts.pages} page${facts.pages === 1 ? "" : "s"} open` : "");
  text("reason", reason(gate, silent));
  text("speed", figure(facts?.speed, 1));
  text("speed-asked", figure(facts?.asked.speed, 1));
  text("speed-allowed", figure(facts?.allowed.speed, 1));
  text("limits", facts?.limits ? `limited: ${facts.limits}` : "");
  showSteering();
  showPictureState();
  showProblems();
  showFigures();
  byId("takeover").dataset.holds = facts?.holds ? "yes" : "no";
  showControls();
}

function reason(gate, silent) {
  if (!facts) return "No connection to the robot.";
  if (!gate.state) return "No word from the gate: is safety_node running?";
  if (silent) return "The gate has said nothing for 3 s.";
  const notes = [];
  if (facts.dead_man === false) notes.push("The gate has no dead-man: if this page's server dies, nothing stops the policy (engagement.dead_man).");
  if (!facts.seat.taken && facts.seat.lost) notes.push(`The last driver's turn ended: ${facts.seat.lost}.`);
  const others = (gate.taken_by ?? "").split(", ").filter((one) => one && one !== "page");
  const by = others.length ? ` (held by ${others.join(", ")}; it ends there)` : "";
  const said = gate.state === "engaged" ? "Driving." : `${SAID[gate.state] ?? gate.state}: ${gate.reason}${by}.`;
  return [said, ...notes].join(" ");
}

function showSteering() {
  const most = facts?.largest_angle ?? 0.5;
  const place = (angle) => 50 - 50 * Math.max(-1, Math.min(1, angle / most)); // left is positive
  const { asked, allowed } = facts ?? { asked: {}, allowed: {} };
  const known = (value) => value !== null && value !== undefined;
  byId("asked").style.display = known(asked.angle) ? "" : "none";
  byId("allowed").style.display = known(allowed.angle) ? "" : "none";
  if (known(asked.angle)) byId("asked").style.left = `${place(asked.angle)}%`;
  if (known(allowed.angle)) {
    const at = place(allowed.angle);
    byId("allowed").style.left = `${Math.min(at, 50)}%`;
    byId("allowed").style.width = `max(4px, ${Math.abs(at - 50)}%)`;
  }
  const degrees = (angle) => (known(angle) ? `${figure((angle * 180) / Math.PI, 1)}°` : "–");
  text("angle-asked", degrees(asked.angle));
  text("angle-allowed", degrees(allowed.angle));
  text("left-end", `${((most * 180) / Math.PI).toFixed(0)}° left`);
  text("right-end", `right ${((most * 180) / Math.PI).toFixed(0)}°`);
}

function showPictureState() {
  const { latency_ms: late, problem } = facts?.picture ?? {};
  const now = performance.now();
  frames = frames.filter((at) => now - at < 2000);
  text("latency", late === null || late === undefined ? "" : `${late.toFixed(0)} ms camera to page`);
  byId("latency").className = late > SLOW ? "slow" : "";
  text("rate", frames.length > 1 ? `${(frames.length / 2).toFixed(0)} Hz` : "");
  const source = byId("saliency").getAttribute("aria-pressed") === "true" ? "saliency" : "camera";
  byId("no-picture").hidden = frames.length > 0;
  const hint = source === "saliency" ? " (set saliency_rate of policy_node)" : "";
  text("no-picture", problem ? `${problem}${hint}` : "no picture yet");
}

function showProblems() {
  const problems = facts?.problems ?? [];
  byId("problems-box").hidden = problems.length === 0;
  text("problem-count", `(${problems.length})`);
  rows("problems", problems, ({ node, part, level, text: what, remedy }) => {
    const item = document.createElement("li");
    item.dataset.level = level;
    item.append(made("b", `${part}: ${what}`), made("small", `${node}${remedy ? ` · ${remedy}` : ""}`));
    return item;
  });
}

function showFigures() {
  const shown = Object.entries(facts?.figures ?? {});
  rows("figures", shown, ([name, [value, unit]]) => {
    const row = document.createElement("tr");
    row.append(made("td", name), made("td", value === null ? "–" : `${value.toFixed(1)} ${unit}`));
    return row;
  });
}

function showControls() {
  const { drives, up, taken } = command;
  const gate = facts?.gate ?? {};
  const driving = gate.state === "engaging" || gate.state === "engaged";
  text("takeover-word", facts?.holds ? "TAKEN OVER" : "TAKE OVER");
  text("takeover-hint", facts?.holds ? "until you engage" : "standstill, now · space bar");
  const hand = gate.driver === "hand";
  byId("claim").disabled = !up || (taken && !drives);
  byId("claim").dataset.drives = drives ? "yes" : "no";
  text("claim", drives ? "Release control" : taken ? "Another page drives" : "Take control");
  byId("engage").disabled = !drives || driving;
  text("engage", driving ? gate.state[0].toUpperCase() + gate.state.slice(1) : hand ? "Engage, by hand" : "Engage");
  for (const id of ["by-hand", "by-policy", "record", "mark", "acknowledge"]) byId(id).disabled = !drives;
  byId("acknowledge").hidden = gate.state !== "fault";
  byId("by-hand").setAttribute("aria-pressed", String(hand));
  byId("by-policy").setAttribute("aria-pressed", String(!hand));
  const recorder = facts?.recorder;
  byId("record").setAttribute("aria-pressed", String(isRecording()));
  text("record", isRecording() ? `Stop recording (${Math.round(recorder.seconds)} s)` : recorder?.problem || "Record");
  byId("mark").hidden = !recorder;
  byId("hand").hidden = !(hand && drives);
  byId("takeover").disabled = byId("emergency").disabled = !up;
  if (drives) navigator.wakeLock?.request("screen").catch(() => {});
}

function isRecording() {
  return facts?.recorder?.state === "recording";
}

function text(id, value) {
  const place = byId(id);
  if (place.textContent !== value) place.textContent = value;
}

function figure(value, digits) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
}

function made(tag, content) {
  const one = document.createElement(tag);
  one.textContent = content;
  return one;
}

function rows(id, values, make) {
  const key = JSON.stringify(values);
  if (byId(id).dataset.key === key) return;
  byId(id).dataset.key = key;
  byId(id).replaceChildren(...values.map(make));
}

// *** buttons ***

function press(id, act) {
  byId(id).addEventListener("click", act);
}

function takeOver() {
  letGo();
  command.send("takeover");
}

function emergencyStop() {
  letGo();
  command.send("emergency_stop");
}

press("claim", () => {
  text("answer", "");
  command.send(command.drives ? "leave" : "claim");
});
press("engage", () => command.send("engage"));
press("acknowledge", () => command.send("acknowledge"));
press("by-hand", () => command.send("by_hand"));
press("by-policy", () => command.send("by_policy"));
press("record", () => command.send("record", { on: !isRecording() }));
press("mark", () => command.send("mark"));
for (const [id, act] of [["takeover", takeOver], ["emergency", emergencyStop]]) {
  byId(id).addEventListener("pointerdown", act);
  byId(id).addEventListener("click", (event) => event.detail === 0 && act()); // by keyboard
}
for (const source of ["camera", "saliency"]) {
  press(source, () => {
    for (const each of ["camera", "saliency"]) byId(each).setAttribute("aria-pressed", String(each === source));
    frames = [];
    watch.choose(source);
  });
}

// *** driving by hand: only what is held drives ***

function stickNow() {
  if (!stick.held) {
    const towards = (now, goal, step) => now + Math.max(-step, Math.min(step, goal - now));
    const side = keys.has("left") - keys.has("right");
    stick.steering = towards(stick.steering, side, side ? STEPS.steering : 2 * STEPS.steering);
    stick.speed = keys.has("up") && !keys.has("down") ? towards(stick.speed, 1, STEPS.speed) : 0;
    moveKnob();
  }
  return [round(stick.steering), round(stick.speed)];
}

function round(value) {
  return Math.round(value * 1000) / 1000;
}

function moveKnob() {
  const { width, height } = byId("stick").getBoundingClientRect();
  byId("knob").style.transform = `translate(${-stick.steering * width * 0.36}px, ${-stick.speed * height * 0.3}px)`;
}

function onPointer(event) {
  const box = byId("stick").getBoundingClientRect();
  const share = (value) => Math.max(-1, Math.min(1, value));
  stick.held = true;
  stick.steering = -share((event.clientX - box.left - box.width / 2) / (box.width * 0.36));
  stick.speed = share((box.top + box.height / 2 - event.clientY) / (box.height * 0.36));
  byId("stick").dataset.held = "yes";
  moveKnob();
}

function letGo() {
  Object.assign(stick, { steering: 0, speed: 0, held: false });
  keys.clear();
  byId("stick").dataset.held = "no";
  moveKnob();
}

byId("stick").addEventListener("pointerdown", (event) => {
  byId("stick").setPointerCapture(event.pointerId);
  onPointer(event);
});
byId("stick").addEventListener("pointermove", (event) => stick.held && event.buttons && onPointer(event));
for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) byId("stick").addEventListener(end, letGo);

addEventListener("keydown", (event) => {
  if (event.code === "Space") takeOver();
  else if (event.code === "Escape") emergencyStop();
  else if (KEYS[event.code]) keys.add(KEYS[event.code]);
  else return;
  event.preventDefault();
});
addEventListener("keyup", (event) => {
  if (event.code === "Space") event.preventDefault(); // presses no button
  keys.delete(KEYS[event.code]);
});
addEventListener("blur", letGo);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return;
  letGo();
  if (command.drives) command.send("leave");
});
addEventListener("contextmenu", (event) => event.preventDefault());

show(null);
