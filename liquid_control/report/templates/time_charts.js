const left = {{ axis.left }}, right = {{ axis.right }}, tip = document.getElementById("tip");
const charts = [...document.querySelectorAll("svg.over-time")], videos = [...document.querySelectorAll("video")];
const homeOf = element => element.closest("section.bag, article.moment");
const videoOf = home => home ? home.querySelector("video") || (videos.length === 1 && home.matches("section.bag") ? videos[0] : null) : videos[0];
const offsetOf = video => +(video.dataset.offset || 0);
const groups = new Map();
for (const chart of charts) {
  const line = document.createElementNS(chart.namespaceURI, "line");
  line.setAttribute("class", "cursor"); line.setAttribute("y1", {{ axis.top }}); line.setAttribute("y2", chart.dataset.base); line.style.display = "none";
  chart.append(line); chart.cursor = line; chart.home = homeOf(chart);
  groups.set(chart.home, [...(groups.get(chart.home) || []), chart]);
}
function moveTo(home, seconds) {
  for (const chart of groups.get(home) || []) {
    const x = left + seconds / chart.dataset.end * (right - left);
    chart.cursor.setAttribute("x1", x); chart.cursor.setAttribute("x2", x); chart.cursor.style.display = x >= left && x <= right ? "" : "none";
  }
}
function secondsAt(chart, event) {
  const box = chart.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * {{ axis.width }};
  return Math.min(Math.max((x - left) / (right - left), 0), 1) * chart.dataset.end;
}
function read(chart, seconds) {
  const { low, high, base, unit, digits } = chart.dataset, x = left + seconds / chart.dataset.end * (right - left), words = [seconds.toFixed(1) + " s"];
  for (const line of chart.querySelectorAll("polyline[data-name]")) {
    let best = null;
    for (const point of line.points) if (!best || Math.abs(point.x - x) < Math.abs(best.x - x)) best = point;
    if (best) words.push(line.dataset.name + "  " + (+low + (base - best.y) / (base - {{ axis.top }}) * (high - low)).toFixed(digits) + " " + unit);
  }
  return words.join("\n");
}
for (const chart of charts) {
  const video = videoOf(chart.home);
  chart.addEventListener("pointermove", event => {
    const seconds = secondsAt(chart, event);
    moveTo(chart.home, seconds);
    tip.textContent = read(chart, seconds); tip.style.display = "block";
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px"; tip.style.top = event.clientY + 16 + "px";
  });
  chart.addEventListener("pointerleave", () => { tip.style.display = "none"; moveTo(chart.home, video ? video.currentTime + offsetOf(video) : -1); });
  chart.addEventListener("click", event => { if (video) video.currentTime = Math.max(secondsAt(chart, event) - offsetOf(video), 0); });
}
for (const video of videos) {
  const home = homeOf(video) || document.querySelector("section.bag");
  const follow = () => { moveTo(home, video.currentTime + offsetOf(video)); if (!video.paused) requestAnimationFrame(follow); };
  for (const name of ["play", "seeked"]) video.addEventListener(name, follow);
}
