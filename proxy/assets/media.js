// What becomes of the video: which way it comes is shown in a corner of the page, and when it stops, or never comes,
// the page says so and does something about it. A page of Cuttlefish never does.

const root = new URL('..', import.meta.url);

const CONNECT_LIMIT = 10000; // ms from asking for the device to its first connection
const DEAD_LIMIT = 5000; // ms without a frame, or disconnected
const LOOK = 1000; // ms between two looks
const RELOADS = 3, RELOAD_SPAN = 60000; // as many new pages within as many ms; then the other way is taken

const connections = new Set();
let expected = 0; // when a connection was asked for; 0: not yet
let connected = false; // one was made
let way = 'video'; // or what has taken over: 'frames', 'recovery', 'nothing'
let frames = -1, framesAt = 0, disconnectedAt = 0;

const Native = window.RTCPeerConnection;
if (Native) {
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...args) {
      super(...args);
      connections.add(this);
      this.addEventListener('connectionstatechange', () => changed(this));
    }
  };
}

function changed(connection) {
  switch (connection.connectionState) {
    case 'connected':
      connected = true;
      disconnectedAt = 0;
      framesAt = performance.now();
      badge('WebRTC', 'good');
      break;
    case 'disconnected':
      disconnectedAt = performance.now();
      break;
    case 'failed':
      lost('the connection to the device failed');
      break;
    case 'closed':
      connections.delete(connection);
  }
}

let finish;
// done is kept when video, and the signalling that it needs, is no longer wanted.
export const done = new Promise(kept => { finish = kept; });

// expect is called when the page asks for its device.
export function expect() {
  if (!expected) expected = performance.now();
}

// alive tells whether video runs.
export function alive() {
  return [...connections].some(c => c.connectionState === 'connected');
}

async function look() {
  if (way !== 'video' || document.hidden) {
    framesAt = performance.now();
    return;
  }
  const now = performance.now();
  if (!connected) {
    if (expected && now - expected > CONNECT_LIMIT) lost('no connection to the device could be made');
    return;
  }
  if (disconnectedAt && now - disconnectedAt > DEAD_LIMIT) return lost('the connection to the device is dead');
  let seen = 0;
  for (const connection of connections) {
    if (connection.connectionState !== 'connected') continue;
    for (const [, r] of await connection.getStats()) {
      if (r.type === 'inbound-rtp' && r.kind === 'video') seen += r.framesDecoded ?? r.framesReceived ?? 0;
    }
  }
  if (seen !== frames) {
    frames = seen;
    framesAt = now;
  } else if (seen > 0 && now - framesAt > DEAD_LIMIT) {
    lost('no picture came for 5 seconds');
  }
}

const looking = setInterval(look, LOOK);

// lost decides what to do without video: a new page, if there was some, as long as that helps; else the other way.
function lost(reason) {
  if (way !== 'video') return;
  if (connected) renew(reason);
  else fallBack(reason);
}

// renew wants a new page, unless several of them have not helped.
export function renew(reason) {
  if (way !== 'video') return;
  if (reloads().length < RELOADS) recover(reason);
  else fallBack(reason);
}

// reloads are the times of the last new pages. They are kept with the history: frames of other sites have no storage.
function reloads() {
  const times = history.state?.daytonaReloads;
  return Array.isArray(times) ? times.filter(t => Date.now() - t < RELOAD_SPAN) : [];
}

// standing asks how the screen is. It is over for this page when nobody with its address may ask any more.
async function standing() {
  const answer = await fetch(new URL('daytona-display/status', root), { cache: 'no-store' });
  return [401, 403, 404].includes(answer.status) ? { display: 'over' } : answer.json();
}

// over tells whether the page has no right to the screen any more. Then it says so, and lets go of the device: video
// does not end by itself with the right to it.
export async function over() {
  try {
    if ((await standing()).display !== 'over') return false;
  } catch {
    return false; // nobody answers: that is no verdict
  }
  leave();
  return true;
}

function leave() {
  end('nothing');
  for (const connection of connections) connection.close();
  badge('');
  curtain('This screen cannot be seen from here any longer: the link has expired, or was revoked.');
}

// recover says that the screen was lost, waits until it is there again, and loads the page anew.
export async function recover(reason) {
  if (way === 'recovery' || way === 'nothing') return;
  end('recovery');
  curtain(`Connection lost: ${reason}. This page comes back by itself.`); // how the screen is takes its time
  for (let wait = LOOK; ; wait = Math.min(1.5 * wait, 5 * LOOK)) {
    let message = '';
    try {
      const status = await standing();
      if (status.display === 'over') return leave();
      if (status.display === 'ready') break;
      message = status.message;
    } catch {
      message = 'The runner cannot be reached.';
    }
    curtain(`Connection lost: ${reason}. ${message} This page comes back by itself.`);
    await new Promise(over => setTimeout(over, wait * (0.75 + Math.random() / 2))); // not all viewers at once
  }
  curtain(`Connection lost: ${reason}. Reconnecting…`);
  history.replaceState({ ...history.state, daytonaReloads: [...reloads(), Date.now()] }, '');
  location.reload();
}

async function fallBack(reason) {
  end('frames');
  for (const connection of connections) connection.close();
  badge('Connecting without WebRTC…', 'poor');
  console.info(`daytona: ${reason}; the screen comes over a WebSocket`);
  try {
    const viewer = await import('./viewer.js');
    viewer.start(root, badge, recover, over);
  } catch (error) {
    recover(error.message);
  }
}

function end(next) {
  way = next;
  clearInterval(looking);
  finish();
}

// say shows a passing remark beside the way in use; an empty one takes it away.
export function say(text) {
  if (way === 'video') badge(text || (alive() ? 'WebRTC' : ''), text ? 'poor' : 'good');
}

function part(id, style) {
  let element = document.getElementById(id);
  if (!element) {
    element = document.createElement('div');
    element.id = id;
    element.style.cssText = style;
    document.body.append(element);
  }
  return element;
}

function badge(text, mood) {
  const element = part('daytona-badge', 'position:fixed;left:8px;bottom:8px;z-index:2147483646;padding:2px 8px;' +
    'border-radius:8px;font:12px system-ui,sans-serif;color:#fff;pointer-events:none;opacity:.85');
  element.style.background = mood === 'good' ? '#1b5e20' : '#8d4b00';
  element.hidden = !text;
  element.textContent = text;
}

function curtain(text) {
  part('daytona-curtain', 'position:fixed;inset:0;z-index:2147483647;display:flex;align-items:center;justify-content:center;' +
    'padding:24px;text-align:center;font:18px system-ui,sans-serif;color:#fff;background:rgba(0,0,0,.8)').textContent = text;
}

if (!Native) queueMicrotask(() => lost('this browser has no WebRTC'));
