// How the page of a device speaks to the operator it was loaded from.

// deviceId is the path's element between "devices" and "files".
export function deviceId() {
  const parts = location.pathname.split('/');
  const at = parts.indexOf('devices');
  if (at < 0 || parts.length <= at + 2 || parts[at + 2] !== 'files') {
    throw 'server connector is incompatible with this server';
  }
  return decodeURIComponent(parts[at + 1]);
}

export async function createConnector() {
  const answer = await fetch('/infra_config');
  const infraConfig = await answer.json();
  try {
    return await SocketConnector.open(infraConfig);
  } catch (error) {
    console.warn('no WebSocket, polling instead:', error);
    return new PollingConnector(infraConfig);
  }
}

const socketLimit = 3000;

class SocketConnector {
  static open(infraConfig) {
    return new Promise((resolve, reject) => {
      const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
      const socket = new WebSocket(`${scheme}//${location.host}/devices/${encodeURIComponent(deviceId())}/connect`);
      const limit = setTimeout(() => { socket.close(); reject(new Error('too slow')); }, socketLimit);
      const connector = new SocketConnector(socket, infraConfig);
      socket.onopen = () => { clearTimeout(limit); resolve(connector); };
      socket.onerror = () => { clearTimeout(limit); reject(new Error('refused')); };
    });
  }

  constructor(socket, infraConfig) {
    this.socket = socket;
    this.infraConfig = infraConfig;
    this.deviceInfo = new Promise((resolve, reject) => {
      socket.onclose = () => reject(new Error('the operator closed the connection'));
      socket.onmessage = event => {
        const message = JSON.parse(event.data);
        if (message.device_info !== undefined) {
          resolve(message.device_info);
        } else if (message.error) {
          reject(new Error(message.error));
        } else if (message.message_type === 'device_msg') {
          this.callback?.(message.payload);
        }
      };
    });
    this.deviceInfo.catch(() => {});
  }

  onDeviceMsg(callback) { this.callback = callback; }

  async requestDevice(id) {
    return { deviceInfo: await this.deviceInfo, infraConfig: this.infraConfig };
  }

  async sendToDevice(message) {
    if (this.socket.readyState !== WebSocket.OPEN) {
      throw new Error('the operator is not connected');
    }
    this.socket.send(JSON.stringify(message));
  }
}

const firstPoll = 1000;
const lastPoll = 60000;

class PollingConnector {
  constructor(infraConfig) {
    this.infraConfig = infraConfig;
    this.received = 0;
    this.wait = firstPoll;
  }

  onDeviceMsg(callback) { this.callback = callback; }

  async requestDevice(id) {
    const opened = await this.post('/polled_connections', { device_id: id });
    this.id = opened.connection_id;
    this.schedule();
    return { deviceInfo: opened.device_info, infraConfig: this.infraConfig };
  }

  async sendToDevice(message) {
    await this.post(`/polled_connections/${this.id}/:forward`, { payload: message });
  }

  expectMessagesSoon(ms) {
    this.wait = firstPoll;
    this.schedule();
  }

  async post(path, body) {
    const answer = await fetch(path, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    if (!answer.ok) {
      throw new Error(await answer.text());
    }
    return answer.json();
  }

  schedule() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), this.wait);
    this.wait = Math.min(2 * this.wait, lastPoll);
  }

  async poll() {
    const answer = await fetch(`/polled_connections/${this.id}/messages?start=${this.received}`);
    const messages = await answer.json(); // what is no JSON ends the polling for good
    this.received += messages.length;
    if (messages.length > 0) {
      this.wait = firstPoll;
    }
    for (const message of messages) {
      this.callback?.(message.payload);
    }
    this.schedule();
  }
}

// createParentController tells the page around this one, if any, about the displays.
export function createParentController() {
  return {
    createDeviceDisplaysMessage(rotation) {
      const displays = [];
      return {
        addDisplay(display_id, width, height) { displays.push({ display_id, width, height }); },
        send() {
          if (window.parent !== window) {
            window.parent.postMessage({
              type: 'displays_info', payload: { device_id: deviceId(), rotation, displays },
            }, '*');
          }
        },
      };
    },
  };
}
