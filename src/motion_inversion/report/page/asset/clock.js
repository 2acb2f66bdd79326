// Owns time: one clock that all clips on screen follow, so that source and results can be compared frame by frame.
"use strict";

const clock = (() => {
  const PATIENCE = 1500; // milliseconds between two leaps of a clip, or that others wait for it
  const videos = new Set();
  const leaps = new WeakMap(); // when each clip last leapt, and how long that took
  let gathering = 0; // since when the clips wait for one another to begin the loop anew together
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let rate = 1;
  let time = 0; // seconds
  let last = performance.now();
  let announced = "";

  /** The length of the longest clip on screen, which the clock runs through. */
  function span() {
    let longest = 0;
    for (const video of videos) if (video.duration > longest) longest = video.duration;
    return longest || 1;
  }

  /** Seconds of one frame of the clips on screen. */
  function frame() {
    for (const video of videos) if (video.dataset.fps > 0) return 1 / Number(video.dataset.fps);
    return 1 / 8;
  }

  /** How far a clip is ahead, the short way round: clips are loops. */
  function lead(video) {
    const length = video.duration;
    const ahead = video.currentTime - (time % length);
    return ahead - length * Math.round(ahead / length);
  }

  /** Brings a clip to the clock: by running a little faster or slower, or by a leap if it is two frames away. */
  function follow(video) {
    if (!(video.duration > 0) || video.readyState < 1 || video.seeking) return;
    const ahead = lead(video);
    const one = 1 / (Number(video.dataset.fps) || 8);
    if (playing) {
      video.playbackRate = rate * Math.min(1.6, Math.max(0.5, 1 - 3 * ahead));
      video.loop = video.duration < span() - one / 2; // the longest begin anew together
      if (video.paused && !video.ended) video.play().catch(() => {});
      if (Math.abs(ahead) > 2 * one) leap(video);
    } else {
      if (!video.paused) video.pause();
      if (Math.abs(ahead) > one / 4) video.currentTime = time % video.duration;
    }
  }

  /** Seeks while playing. It aims ahead by the time that the last leap took; seldom, as a slow machine is slowed by it. */
  function leap(video) {
    const now = performance.now();
    const past = leaps.get(video) ?? { at: -Infinity, took: 30 };
    if (video.ended || now - past.at < PATIENCE) return;
    leaps.set(video, { at: now, took: past.took });
    const landed = () => leaps.set(video, { at: now, took: Math.min(500, performance.now() - now) });
    video.addEventListener("seeked", landed, { once: true });
    video.currentTime = (time + (rate * past.took) / 1000) % video.duration;
  }

  function tick(now) {
    if (gathering) release(now);
    else if (playing) advance((rate * Math.min(now - last, 1000)) / 1000);
    last = now;
    if (!gathering) for (const video of videos) follow(video);
    announce();
    requestAnimationFrame(tick);
  }

  function advance(seconds) {
    time += seconds;
    if (time < span()) return;
    time = 0;
    gathering = performance.now();
    for (const video of videos) {
      video.pause();
      video.currentTime = 0;
    }
  }

  /** Lets all go when all are at the beginning, or the slowest has been waited for long enough. */
  function release(now) {
    const there = (video) => video.error || (!video.seeking && video.readyState >= 2);
    if (playing && now - gathering < PATIENCE && ![...videos].every(there)) return;
    gathering = 0;
  }

  function announce() {
    at("player").classList.toggle("idle", !videos.size);
    const one = frame();
    const length = span();
    const scrub = at("scrub");
    if (scrub.max !== String(length)) scrub.max = length;
    if (document.activeElement !== scrub || playing) scrub.value = time;
    const count = Math.max(1, Math.round(length / one));
    const text = `${Math.min(count, Math.floor(time / one + 0.01) + 1)} / ${count}`;
    if (text !== announced) at("clock").textContent = announced = text;
  }

  function play(on) {
    playing = on;
    at("play").textContent = on ? "❚❚" : "▶";
    at("play").setAttribute("aria-label", on ? "Pause" : "Play");
  }

  /** Stands still at a time, in the middle of its frame, where no player can take it for another. */
  function seek(to) {
    play(false);
    const one = frame();
    const count = Math.max(1, Math.round(span() / one));
    time = ((((Math.floor(to / one + 1e-6) % count) + count) % count) + 0.5) * one;
  }

  function step(by) {
    seek(time + by * frame());
  }

  function start() {
    play(playing);
    at("play").onclick = () => play(!playing);
    at("back").onclick = () => step(-1);
    at("forth").onclick = () => step(1);
    at("scrub").oninput = (event) => seek(Number(event.target.value));
    at("rate").onchange = (event) => (rate = Number(event.target.value));
    document.addEventListener("keydown", (event) => {
      if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === " " && !event.target.closest("button, a, summary")) play(!playing);
      else if (event.key === "ArrowLeft") step(-1);
      else if (event.key === "ArrowRight") step(1);
      else return;
      event.preventDefault();
    });
    requestAnimationFrame(tick);
  }

  return {
    start,
    play,
    seek,
    step,
    add: (video) => videos.add(video),
    remove: (video) => videos.delete(video),
    get time() {
      return time;
    },
    get videos() {
      return [...videos];
    },
  };
})();
