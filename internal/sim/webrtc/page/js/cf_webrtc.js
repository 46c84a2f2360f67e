// The connection between this page and its device.

// Connect resolves to a device connection as soon as signaling works; media follows.
export async function Connect(deviceId, connector) {
  const pending = [];
  let connection = null;
  connector.onDeviceMsg(message => {
    if (connection) {
      connection.onMessage(message);
    } else {
      pending.push(message);
    }
  });
  const { deviceInfo, infraConfig } = await connector.requestDevice(deviceId);
  connection = new DeviceConnection(deviceInfo, infraConfig, connector);
  pending.forEach(message => connection.onMessage(message));
  await connector.sendToDevice({ type: 'request-offer', ice_servers: infraConfig.ice_servers });
  return connection;
}

class DeviceConnection extends EventTarget {
  constructor(deviceInfo, infraConfig, connector) {
    super();
    this.deviceInfo = deviceInfo;
    this.connector = connector;
    this.queue = Promise.resolve(); // messages are obeyed one after the other
    this.peer = new RTCPeerConnection({ iceServers: infraConfig.ice_servers });
    this.peer.onicecandidate = event => {
      if (event.candidate && event.candidate.candidate) {
        this.send({ type: 'ice-candidate', candidate: event.candidate.toJSON() });
      }
    };
    this.peer.onconnectionstatechange = () => this.tell('state', this.peer.connectionState);
    this.peer.ontrack = event => this.tell('stream', event.streams[0]);
    this.peer.ondatachannel = event => {
      if (event.channel.label === 'device-control') {
        this.control = event.channel;
        this.control.onmessage = message => this.tell('device', JSON.parse(message.data));
      }
    };
    this.input = this.peer.createDataChannel('input-channel');
    this.input.onopen = () => this.tell('input');
    this.adb = this.peer.createDataChannel('adb-channel');
    this.adb.binaryType = 'arraybuffer';
    this.adb.onopen = () => this.adb.send(adbConnect());
    this.adb.onmessage = message => {
      if (new Uint8Array(message.data)[0] === 'C'.charCodeAt(0)) {
        this.tell('adb');
      }
    };
  }

  tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  send(message) {
    this.connector.sendToDevice(message).catch(error => console.error('signaling:', error));
  }

  onMessage(message) {
    this.queue = this.queue.then(() => this.obey(message)).catch(error => console.error(message.type, error));
  }

  async obey(message) {
    switch (message.type) {
      case 'offer':
        await this.peer.setRemoteDescription({ type: 'offer', sdp: message.sdp });
        await this.peer.setLocalDescription(await this.peer.createAnswer());
        this.send({ type: 'answer', sdp: this.peer.localDescription.sdp });
        break;
      case 'answer':
        await this.peer.setRemoteDescription({ type: 'answer', sdp: message.sdp });
        break;
      case 'ice-candidate':
        await this.peer.addIceCandidate({
          candidate: message.candidate, sdpMid: message.mid, sdpMLineIndex: message.mLineIndex,
        });
        break;
      case 'error':
        console.error('the device says:', message.error);
        break;
    }
  }

  sendInput(message) {
    if (this.input.readyState === 'open') {
      this.input.send(JSON.stringify(message));
    }
  }

  sendMultiTouch(id, x, y, down) {
    this.sendInput({ type: 'multi-touch', id: [id], x: [x], y: [y], down: down ? 1 : 0, device_label: 'display_0' });
  }

  sendKey(code, type) { this.sendInput({ type: 'keyboard', keycode: code, event_type: type }); }

  sendControl(message) {
    if (this.control && this.control.readyState === 'open') {
      this.control.send(JSON.stringify(message));
    }
  }
}

// adbConnect is the packet that opens an ADB connection.
function adbConnect() {
  const banner = new TextEncoder().encode('Cray_II:1234:whatever');
  const packet = new ArrayBuffer(24 + banner.length);
  const view = new DataView(packet);
  const command = 0x4e584e43; // CNXN
  const sum = banner.reduce((a, b) => a + b, 0);
  [command, 0x1000000, 262144, banner.length, sum, (command ^ 0xffffffff) >>> 0]
      .forEach((word, i) => view.setUint32(4 * i, word, true));
  new Uint8Array(packet).set(banner, 24);
  return packet;
}
