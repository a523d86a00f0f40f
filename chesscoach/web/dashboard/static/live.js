// Keeps the page up to date: one stream per tab, none while the tab is hidden. When the server says
// that something has changed, htmx fetches the page again and replaces what is in #live. Without a
// stream (too many are open, or a proxy ends them) it fetches the page every ten seconds.
"use strict";
(() => {
  const MIN_PAUSE_MS = 1000;
  const POLL_MS = 10000;
  const events = document.body.dataset.events;
  const button = document.getElementById("live-switch");
  const state = document.getElementById("live-state");
  let wanted = sessionStorage.getItem("live") !== "off";
  let stream = null;
  let poll = null;
  let timer = null;
  let refreshedAt = 0;

  const live = () => document.getElementById("live");

  const refresh = () => {
    if (timer !== null || !wanted || document.hidden) return;
    timer = setTimeout(() => {
      timer = null;
      refreshedAt = Date.now();
      if (wanted && !document.hidden) htmx.trigger(live(), "refresh");
    }, Math.max(0, refreshedAt + MIN_PAUSE_MS - Date.now()));
  };

  const close = () => {
    if (stream !== null) stream.close();
    if (poll !== null) clearInterval(poll);
    stream = poll = null;
  };

  const startPolling = () => {
    close();
    state.textContent = "every 10 s";
    poll = setInterval(refresh, POLL_MS);
  };

  const open = () => {
    close();
    if (!wanted || document.hidden) return;
    state.textContent = "";
    stream = new EventSource(events);
    stream.addEventListener("changed", refresh);
    stream.addEventListener("end", startPolling);
    // The browser opens a broken stream again by itself, unless it was refused.
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) startPolling();
      else state.textContent = "connecting";
    });
    stream.addEventListener("open", () => {
      if (state.textContent === "connecting") refresh();
      state.textContent = "";
    });
  };

  const show = () => {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(wanted));
    if (!wanted) state.textContent = "stopped";
  };

  button.addEventListener("click", () => {
    wanted = !wanted;
    sessionStorage.setItem("live", wanted ? "on" : "off");
    open();
    show();
    if (wanted) refresh();
  });

  document.addEventListener("visibilitychange", () => {
    open();
    if (!document.hidden) refresh();
  });

  // A page of another address, such as the login page, is opened and not put into this one. A page
  // without the part that is replaced, such as a refusal, leaves what is there.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, target, pathInfo } = event.detail;
    if (target.id !== "live" || !xhr.responseURL) return;
    const got = new URL(xhr.responseURL);
    if (got.pathname !== new URL(pathInfo.requestPath, location.href).pathname) {
      event.detail.shouldSwap = false;
      location.assign(got.href);
    } else if (!xhr.responseText.includes('id="live"')) {
      event.detail.shouldSwap = false;
      state.textContent = "not up to date: the server refuses this page";
    }
  });
  document.addEventListener("htmx:sendError", () => {
    state.textContent = "not up to date: the server does not answer";
  });

  // Texts that the reader has opened stay open.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", () => {
    opened = [...document.querySelectorAll("#live details[open][id]")].map((each) => each.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  });

  // A page that is being left, perhaps for that of a deletion, fetches nothing any more.
  addEventListener("submit", () => {
    clearTimeout(timer);
    close();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  show();
  open();
})();
