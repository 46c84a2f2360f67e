// Package frames shows a device's screen over a WebSocket, and takes touches and keys: for browsers that no
// packet of the device's own video reaches. It needs nothing but ADB.
//
// Words: the *hello* is the viewer's first message, with the codecs that it has; a *picture* is a binary message: with
// h264 one access unit in Annex B form, the first of them a key frame behind its parameter sets; with image a whole
// PNG; an *input* is a text message of the viewer.
//
//	viewer → {"codecs":["h264","image"]}
//	device → {"type":"screen","codec":"h264"}, then pictures
//	viewer → {"type":"touch","phase":"down","x":10,"y":20}, "move", "up"; {"type":"text","text":"a"};
//	         {"type":"key","keys":"ctrl+a"}; {"type":"button","name":"back"}
//
// The video is that of the device's screenrecord, which ends after three minutes and is begun again; where it does
// not work, or the viewer cannot decode it, screenshots come as fast as the device makes them and the picture changes.
// Coordinates are pixels of the picture. Touches become gestures when the finger is lifted: one call of the input
// command each, which every release of Android understands.
package frames
