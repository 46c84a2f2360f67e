// The operator's own connector, with the two names replaced that look for the device in the address of the page.

import * as media from '../daytona-display/media.js';

export * from './server_connector.operator.js';

const device = "{{device}}";

export function deviceId() {
  media.expect(); // pages ask for it right before they connect
  return device;
}

export function createParentController() {
  return { createDeviceDisplaysMessage: () => ({ addDisplay() {}, send() {} }) };
}
