// The screen without WebRTC: pictures over a WebSocket, touch and keys back. H.264 where this browser can decode it,
// else single images. See package frames for the messages.

const LOOK = 1000, RETRY_LAST = 8000; // ms

const modifiers = ['Control', 'Alt', 'Shift', 'AltGraph', 'CapsLock', 'Dead'];
const buttons = [['back', '◁'], ['home', '○'], ['recents', '□']];

// start covers the page with the screen. badge shows the way in use; recover is for when the display is gone; over
// tells whether there is no right to it any more.
export function start(root, badge, recover, over) {
  const stage = document.createElement('div');
  stage.id = 'daytona-stage';
  stage.style.cssText = 'position:fixed;inset:0;z-index:2147483640;background:#000;display:flex;flex-direction:column;align-items:center';
  const canvas = document.createElement('canvas');
  canvas.id = 'daytona-screen';
  canvas.tabIndex = 0;
  canvas.style.cssText = 'flex:1;min-height:0;max-width:100%;object-fit:contain;touch-action:none;outline:none';
  const bar = document.createElement('div');
  bar.style.cssText = 'display:flex;gap:32px;padding:6px';
  stage.append(canvas, bar);
  document.body.append(stage);
  new Session(root, canvas, bar, badge, recover, over).run(typeof VideoDecoder === 'undefined' ? ['image'] : ['h264', 'image']);
}

class Session {
  #socket = null;
  #decoder = null;
  #stamp = 0;
  #down = false;
  #drawn = 0;

  constructor(root, canvas, bar, badge, recover, over) {
    Object.assign(this, { root, canvas, badge, recover, over });
    this.paint = canvas.getContext('2d');
    for (const [name, sign] of buttons) {
      const button = document.createElement('button');
      button.textContent = sign;
      button.title = name;
      button.style.cssText = 'font-size:20px;background:none;border:0;color:#fff;cursor:pointer';
      button.onclick = () => this.#send({ type: 'button', name });
      bar.append(button);
    }
    const touch = (event, phase) => {
      event.preventDefault();
      if (phase !== 'down' && !this.#down) return;
      this.#down = phase !== 'up';
      this.#send({ type: 'touch', phase, ...this.#point(event) });
    };
    canvas.onpointerdown = event => { canvas.setPointerCapture(event.pointerId); canvas.focus(); touch(event, 'down'); };
    canvas.onpointermove = event => touch(event, 'move');
    canvas.onpointerup = canvas.onpointercancel = event => touch(event, 'up');
    canvas.onkeydown = event => {
      if (event.isComposing || event.metaKey || modifiers.includes(event.key)) return;
      event.preventDefault();
      const held = [event.ctrlKey && 'ctrl', event.altKey && 'alt'].filter(Boolean);
      if (event.key.length === 1 && !held.length) this.#send({ type: 'text', text: event.key });
      else this.#send({ type: 'key', keys: [...held, event.key.replace(/^Arrow/, '')].join('+') });
    };
    canvas.focus();
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = Math.min(box.width / this.canvas.width, box.height / this.canvas.height);
    const left = (box.width - this.canvas.width * scale) / 2, top = (box.height - this.canvas.height * scale) / 2;
    return { x: Math.round((event.clientX - box.left - left) / scale), y: Math.round((event.clientY - box.top - top) / scale) };
  }

  #send(message) { if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message)); }

  // run shows the screen until there is none; a socket that ends is opened again.
  async run(codecs) {
    for (let wait = LOOK; ; wait = Math.min(2 * wait, RETRY_LAST)) {
      await shown();
      const before = this.#drawn;
      const reason = await this.#show(codecs);
      if (await this.over()) return;
      if (reason === 'decoder') codecs = ['image'];
      else if (reason !== 'hidden' && this.#drawn === before && wait >= RETRY_LAST) return this.recover('the screen cannot be shown');
      if (this.#drawn > before) wait = LOOK;
      this.badge('Reconnecting…', 'poor');
      await new Promise(done => setTimeout(done, wait));
    }
  }

  #show(codecs) {
    const address = new URL('daytona-display/frames', this.root);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    return new Promise(ended => {
      const socket = this.#socket = new WebSocket(address);
      socket.binaryType = 'arraybuffer';
      const end = reason => { ended(reason); document.removeEventListener('visibilitychange', hide); socket.close(); this.#decoder?.state === 'configured' && this.#decoder.close(); this.#decoder = null; };
      const hide = () => document.hidden && end('hidden');
      document.addEventListener('visibilitychange', hide);
      socket.onopen = () => socket.send(JSON.stringify({ codecs }));
      socket.onclose = event => end(event.reason);
      socket.onmessage = event => {
        if (typeof event.data === 'string') this.#tell(JSON.parse(event.data), end);
        else this.#picture(new Uint8Array(event.data), end);
      };
    });
  }

  #tell(message, end) {
    if (message.type !== 'screen') return;
    this.codec = message.codec;
    this.badge(message.codec === 'h264' ? 'WebSocket, H.264' : 'WebSocket, images', 'poor');
    this.#decoder?.state === 'configured' && this.#decoder.close();
    this.#decoder = message.codec !== 'h264' ? null : new VideoDecoder({
      output: frame => { this.#draw(frame, frame.displayWidth, frame.displayHeight); frame.close(); },
      error: () => end('decoder'),
    });
  }

  async #picture(data, end) {
    if (this.codec !== 'h264') {
      const picture = await createImageBitmap(new Blob([data]));
      this.#draw(picture, picture.width, picture.height);
      return picture.close();
    }
    const kinds = units(data);
    try {
      const sps = kinds.find(u => u.kind === 7);
      if (sps) {
        const [, profile, constraints, level] = data.subarray(sps.at);
        const codec = 'avc1.' + [profile, constraints, level].map(n => n.toString(16).padStart(2, '0')).join('');
        this.#decoder.configure({ codec, optimizeForLatency: true });
      }
      if (this.#decoder.state !== 'configured') return;
      const type = kinds.some(u => u.kind === 5) ? 'key' : 'delta';
      this.#decoder.decode(new EncodedVideoChunk({ type, timestamp: this.#stamp++, data }));
    } catch {
      end('decoder');
    }
  }

  #draw(picture, width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.paint.drawImage(picture, 0, 0);
    this.canvas.dataset.frames = ++this.#drawn;
  }
}

// shown waits until somebody can see the page: each viewer is an encoder on the device.
function shown() {
  if (!document.hidden) return Promise.resolve();
  return new Promise(seen => document.addEventListener('visibilitychange', () => seen(), { once: true }));
}

// units finds the NAL units of a piece of H.264 in Annex B form: their kinds, and where they begin.
function units(data) {
  const found = [];
  for (let i = 0; i + 3 < data.length; i++) {
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1) found.push({ kind: data[i + 3] & 31, at: (i += 3) });
  }
  return found;
}
