// The one module of the page that knows how to reach its device: signalling by WebSocket, or by requests where the
// operator is older than 1.50. It takes the place of the operator's js/server_connector.js, with the names that pages
// use of it (createConnector, deviceId, createParentController). Unlike that one it comes back: see media.js for what
// happens to the video meanwhile.

import * as media from '../daytona-display/media.js';

const device = "{{device}}";
const root = new URL('..', import.meta.url);

const SOCKET_LIMIT = 3000; // ms for the WebSocket to open and describe the device
const POLL_FIRST = 1000, POLL_SOON = 200, POLL_LAST = 60000; // ms between two questions
const RETRY_FIRST = 500, RETRY_LAST = 10000; // ms between two attempts to come back

const pause = ms => new Promise(done => setTimeout(done, ms));

async function json(path, options) {
  const answer = await fetch(new URL(path, root), options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

const post = (path, body) =>
  json(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

// A link carries messages to and from the device. onmessage gets bare payloads; onend is called once, when it ended.
class SocketLink {
  onmessage = () => {};
  onend = () => {};

  static open(id) {
    const address = new URL(`devices/${encodeURIComponent(id)}/connect`, root);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    return new Promise((opened, failed) => {
      const socket = new WebSocket(address);
      const limit = setTimeout(() => socket.close(), SOCKET_LIMIT);
      let link = null;
      socket.onmessage = event => {
        const message = JSON.parse(event.data);
        if (message.device_info && !link) {
          clearTimeout(limit);
          link = new SocketLink(socket);
          opened({ link, info: message.device_info });
        } else if (message.message_type === 'device_msg' && link) {
          link.onmessage(message.payload);
        }
      };
      socket.onclose = event => {
        clearTimeout(limit);
        if (link) link.onend(event.reason);
        else failed(new Error('no signalling by WebSocket'));
      };
    });
  }

  constructor(socket) { this.socket = socket; }

  async send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) throw new Error('the signalling is down');
    this.socket.send(JSON.stringify(message));
  }

  soon() {}

  close() {
    this.onend = () => {};
    this.socket.close();
  }
}

class PolledLink {
  onmessage = () => {};
  onend = () => {};
  #next = 0;
  #wait = POLL_FIRST;
  #hurry = 0; // until when messages are expected
  #wake = () => {};
  #closed = false;

  static async open(id) {
    const opened = await post('polled_connections', { device_id: id });
    const link = new PolledLink(opened.connection_id);
    link.#run();
    return { link, info: opened.device_info };
  }

  constructor(connection) { this.path = `polled_connections/${encodeURIComponent(connection)}`; }

  async send(message) {
    await post(`${this.path}/:forward`, { payload: message });
    this.soon(POLL_FIRST);
  }

  soon(ms) {
    this.#hurry = Math.max(this.#hurry, performance.now() + ms);
    this.#wait = POLL_SOON;
    this.#wake();
  }

  close() {
    this.#closed = true;
    this.#wake();
  }

  async #run() {
    try {
      while (!this.#closed) {
        await Promise.race([pause(this.#wait), new Promise(wake => { this.#wake = wake; })]);
        const messages = await json(`${this.path}/messages?start=${this.#next}`);
        this.#next += messages.length;
        for (const message of messages) if (message.message_type === 'device_msg') this.onmessage(message.payload);
        const hurry = performance.now() < this.#hurry;
        this.#wait = hurry ? POLL_SOON : messages.length ? POLL_FIRST : Math.min(2 * Math.max(this.#wait, POLL_FIRST), POLL_LAST);
      }
    } catch (error) {
      if (!this.#closed) this.onend(error.message);
    }
  }
}

const openLink = id => SocketLink.open(id).catch(() => PolledLink.open(id));

class Connector {
  #take = () => {};
  #link = null;
  #soonest = 0;
  #again = false; // this link is not the one that the video was made with

  constructor() { media.done.then(() => { this.#link?.close(); this.#link = null; }); }

  onDeviceMsg(take) { this.#take = take; }

  async requestDevice(id) {
    media.expect();
    const infraConfig = await json('infra_config');
    const { link, info } = await openLink(id);
    this.#use(id, link);
    return { deviceInfo: info, infraConfig };
  }

  async sendToDevice(message) {
    if (!this.#link) throw new Error('the signalling is down');
    // To the device this link is another viewer, of whose connection it knows nothing.
    if (this.#again && message.type === 'offer') return media.renew('the page wants something new of the device');
    await this.#link.send(message);
  }

  expectMessagesSoon(ms) {
    this.#soonest = performance.now() + ms;
    this.#link?.soon(ms);
  }

  #use(id, link) {
    this.#link = link;
    link.onmessage = payload => this.#take(payload);
    link.onend = reason => { this.#link = null; this.#comeBack(id, reason); };
    if (performance.now() < this.#soonest) link.soon(this.#soonest - performance.now());
  }

  // Video that runs goes on without signalling. Where none does, only a new page can make one.
  async #comeBack(id, reason) {
    media.say('Signalling lost, reconnecting…');
    for (let wait = RETRY_FIRST; ; wait = Math.min(2 * wait, RETRY_LAST)) {
      await pause(wait);
      if (!media.alive()) return media.renew(reason || 'the signalling was lost');
      if (await media.over()) return;
      try {
        const { link } = await openLink(id);
        this.#again = true;
        this.#use(id, link);
        return media.say('');
      } catch { /* not yet */ }
    }
  }
}

class Displays {
  #message;

  constructor(rotation) {
    this.#message = { type: 'displays_info', payload: { device_id: device, rotation, displays: [] } };
  }

  addDisplay(display_id, width, height) { this.#message.payload.displays.push({ display_id, width, height }); }

  send() { if (window.parent !== window) window.parent.postMessage(this.#message, '*'); }
}

export function deviceId() { return device; }

export async function createConnector() { return new Connector(); }

export function createParentController() { return { createDeviceDisplaysMessage: rotation => new Displays(rotation) }; }
