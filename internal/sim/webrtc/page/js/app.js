// The page of a device: status, screen, touch, keys and buttons.

'use strict';

(() => {
  const status = document.getElementById('status-message');
  const video = document.getElementById('device-video');
  const warnAfter = 30000;

  function show(text, kind) {
    status.textContent = text;
    status.className = kind;
  }

  async function start() {
    const server = await import('./server_connector.js');
    const client = await import('./cf_webrtc.js');
    const id = server.deviceId();
    document.title = id;
    const connector = await server.createConnector();
    const connection = await client.Connect(id, connector);
    if (!connection.deviceInfo.hardware || !Array.isArray(connection.deviceInfo.custom_control_panel_buttons)) {
      throw new Error('device_info is not complete');
    }
    const late = setTimeout(() => show('Connection is taking longer than expected', 'connecting'), warnAfter);
    let booted = false;
    let adb = false;
    const report = () => {
      clearTimeout(late);
      if (connection.peer.connectionState !== 'connected') {
        return;
      }
      if (adb) {
        show('adb connection established successfully.', 'connected');
      } else {
        show(booted ? 'Connected.' : 'Awaiting bootup and adb connection. Please wait...', 'connected');
      }
    };
    connection.addEventListener('state', event => {
      const lost = ['disconnected', 'failed', 'closed'].includes(event.detail);
      if (lost) {
        show('No connection to the guest device.', 'error');
        video.style.display = 'none';
      }
      report();
    });
    connection.addEventListener('stream', event => {
      video.srcObject = event.detail;
      video.play().catch(error => console.warn(error));
    });
    connection.addEventListener('input', () => { document.body.dataset.input = 'open'; });
    connection.addEventListener('adb', () => { adb = true; report(); });
    const parent = server.createParentController ? server.createParentController() : null;
    connection.addEventListener('device', event => {
      const message = event.detail;
      switch (message.event) {
        case 'VIRTUAL_DEVICE_BOOT_STARTED': booted = false; break;
        case 'VIRTUAL_DEVICE_BOOT_COMPLETED': booted = true; break;
        case 'VIRTUAL_DEVICE_SCREEN_CHANGED':
          video.style.transform = `rotate(-${message.metadata.rotation}deg)`;
          tellParent(parent, connection, Number(message.metadata.rotation));
          break;
        case 'VIRTUAL_DEVICE_DISPLAY_POWER_MODE_CHANGED':
          if (connector.expectMessagesSoon) {
            connector.expectMessagesSoon(5000);
          }
          break;
      }
      report();
    });
    tellParent(parent, connection, 0);
    listen(connection);
  }

  function tellParent(parent, connection, rotation) {
    if (!parent) {
      return;
    }
    const message = parent.createDeviceDisplaysMessage(rotation);
    for (const display of connection.deviceInfo.displays) {
      message.addDisplay(display.stream_id, display.x_res, display.y_res);
    }
    message.send();
  }

  // listen passes on what the person does. offsetX and offsetY are the video's own, however it is turned.
  function listen(connection) {
    const at = event => [
      Math.trunc(event.offsetX * video.videoWidth / video.clientWidth),
      Math.trunc(event.offsetY * video.videoHeight / video.clientHeight),
    ];
    const fingers = new Set();
    video.addEventListener('pointerdown', event => {
      event.preventDefault();
      video.setPointerCapture(event.pointerId);
      fingers.add(event.pointerId);
      connection.sendMultiTouch(event.pointerId, ...at(event), true);
    });
    video.addEventListener('pointermove', event => {
      if (fingers.has(event.pointerId)) {
        connection.sendMultiTouch(event.pointerId, ...at(event), true);
      }
    });
    for (const type of ['pointerup', 'pointercancel']) {
      video.addEventListener(type, event => {
        if (fingers.delete(event.pointerId)) {
          connection.sendMultiTouch(event.pointerId, ...at(event), false);
        }
      });
    }
    for (const type of ['keydown', 'keyup']) {
      document.addEventListener(type, event => {
        event.preventDefault();
        if (!event.repeat) {
          connection.sendKey(event.code, type);
        }
      });
    }
    for (const button of document.querySelectorAll('#controls button')) {
      const press = state => connection.sendControl({ command: button.dataset.command, button_state: state });
      button.addEventListener('pointerdown', () => press('down'));
      button.addEventListener('pointerup', () => press('up'));
    }
  }

  window.addEventListener('load', () => {
    start().catch(error => {
      console.error(error);
      show('No connection to the guest device. ' + error, 'error');
    });
  });
})();
