// Keeps the page true: listens to what is asked, and asks for the page anew. The page is
// whole without it. A browser has six connections a host, so it listens only while seen.
"use strict";
(() => {
  const QUIET_MS = 5000, FIRST_MS = 2000, LONGEST_MS = 60000;
  const root = document.documentElement.dataset.root;
  const live = document.getElementById("live");
  let stream = null, again = 0, wait = FIRST_MS, due = 0, askedAt = -QUIET_MS;

  const say = (well) => {
    live.hidden = false;
    live.classList.toggle("lost", !well);
    const text = well ? live.dataset.live : live.dataset.lost;
    if (live.textContent !== text) live.textContent = text;
  };

  const filter = () => {
    const field = document.getElementById("q");
    if (!field) return;
    const wanted = field.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(".accounts tbody tr")) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    }
  };

  // Only what differs is replaced: what is read, selected or typed meanwhile stays.
  const renew = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    const parts = [...old.children], others = [...fresh.children];
    const hasText = [...fresh.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const isAlike = parts.length === others.length && parts.length && !hasText
      && parts.every((part, place) => part.localName === others[place].localName);
    if (!isAlike) return old.replaceWith(fresh);
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    parts.forEach((part, place) => renew(part, others[place]));
  };

  const ask = async () => {
    due = 0;
    if (document.hidden || !getSelection().isCollapsed) return expect();
    askedAt = performance.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.redirected || answer.status === 401) return location.reload();
      if (!answer.ok) throw answer;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const link = document.activeElement?.getAttribute("href");
      renew(document.querySelector("main"), page.querySelector("main"));
      filter();
      if (link && document.activeElement === document.body) {
        document.querySelector(`main [href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
      }
      if (stream?.readyState === EventSource.OPEN) say(true);
    } catch {
      say(false);
      expect();
    }
  };

  const expect = () => {
    if (due) return;
    due = setTimeout(ask, Math.max(300, askedAt + QUIET_MS - performance.now()));
  };

  const close = () => {
    clearTimeout(again);
    clearTimeout(due);
    again = due = 0;
    stream?.close();
    stream = null;
  };

  const open = () => {
    close();
    if (document.hidden) return;
    stream = new EventSource(`${root}events`);
    stream.onopen = () => { wait = FIRST_MS; say(true); };
    for (const kind of ["record", "round", "change"]) stream.addEventListener(kind, expect);
    stream.onerror = () => {
      say(false);
      if (stream?.readyState !== EventSource.CLOSED) return;
      close();  // after a 503 a browser does not try again by itself
      again = setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(2 * wait, LONGEST_MS);
      expect();  // a login that has ended leads to the next one
    };
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  document.addEventListener("input", (event) => { if (event.target.id === "q") filter(); });
  open();
})();
