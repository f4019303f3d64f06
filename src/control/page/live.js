"use strict";
// Fetches the page again when something happened, and puts in place what is another. Every fact is the server's markup.
(() => {
  const busyEvery = 1000, topEvery = 5000, wholeEvery = 30000, comeBack = 5000;
  // The whole page asks the daemon's own database for a lot, and nothing that hangs is waited for without an end.
  const leastPause = 5000, patience = 15000;
  // The daemon says something every thirty seconds, if only that it is there.
  const silence = 90000;
  const live = document.getElementById("live");
  let asking = false, again = false, timer = 0, soon = 0, whole = Date.now();

  // What has the reader's hand or eye stays: open parts, and where the keyboard is.
  const swap = (old, fresh) => {
    for (const part of old.querySelectorAll("details[id]")) {
      const same = fresh.querySelector("#" + CSS.escape(part.id));
      if (same) same.open = part.open;
    }
    const held = old.contains(document.activeElement) ? document.activeElement : null;
    const place = held && [...old.querySelectorAll("a,summary,[tabindex]")].indexOf(held);
    old.replaceWith(fresh);
    if (held) fresh.querySelectorAll("a,summary,[tabindex]")[place]?.focus({ preventScroll: true });
  };

  const show = (page, all) => {
    const fresh = [...page.querySelectorAll("header[id],section[id]")];
    const known = new Set(fresh.map((part) => part.id));
    const gone = all ? [...document.querySelectorAll("section[id]")].filter((part) => !known.has(part.id)) : [];
    gone.forEach((part) => part.remove());
    let last = null;
    for (const part of fresh.map((part) => document.adoptNode(part))) {
      const old = document.getElementById(part.id);
      if (!old && last) last.after(part);
      else if (!old) document.getElementById("main").prepend(part);
      else if (old.outerHTML !== part.outerHTML) swap(old, part);
      last = part.localName === "section" ? document.getElementById(part.id) : null;
    }
    document.title = page.title;
  };

  const look = async (all) => {
    if (asking) { again = again || all; return; }
    asking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch(all ? "./" : "./?part=top", { cache: "no-store", signal: AbortSignal.timeout(patience) });
      if (!answer.ok) throw new Error(answer.statusText);
      // The policy holds for what is only read, too, and that page's style has another word.
      const text = (await answer.text()).replace(/\x3cstyle[^]*?\x3c\/style>/, "");
      const page = new DOMParser().parseFromString(text, "text/html");
      show(page, all);
      if (all) whole = Date.now();
      if (live.textContent) live.textContent = "";
    } catch {
      // Said once, so that a screen reader does too.
      const words = "The daemon does not answer; what is shown is from before.";
      if (live.textContent !== words) live.textContent = words;
    }
    asking = false;
    if (again) { again = false; heard(); }
    const busy = document.getElementById("now")?.dataset.busy === "yes";
    timer = setTimeout(() => look(Date.now() - whole > wholeEvery), busy ? busyEvery : topEvery);
  };

  // Something happened: looked at as a whole, not more often than that, and by nobody whom no eye is on.
  const heard = () => {
    clearTimeout(soon);
    if (!document.hidden) soon = setTimeout(() => look(true), Math.max(0, whole + leastPause - Date.now()));
  };

  // An event says only that something happened.
  const follow = async () => {
    for (;;) {
      const stop = new AbortController();
      let quiet = setTimeout(() => stop.abort(), silence);
      try {
        const answer = await fetch("./v1/events", { cache: "no-store", signal: stop.signal });
        const reader = answer.ok && answer.body.getReader();
        const text = new TextDecoder();
        for (let piece; reader && !(piece = await reader.read()).done;) {
          clearTimeout(quiet);
          quiet = setTimeout(() => stop.abort(), silence);
          if (text.decode(piece.value).includes("data:")) heard();
        }
      } catch { /* The daemon is away, or silent for too long: `look` says so. */ }
      clearTimeout(quiet);
      await new Promise((done) => setTimeout(done, comeBack));
      heard();
    }
  };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(true); });
  follow();
  look(true);
})();
