// Package webrtc is the simulated webRTC process of a device: it registers with the operator, serves the page of
// the device, and shows the guest's screen to viewers and their input to the guest. One process, one device.
//
// Words: a *viewer* is a browser's peer connection, known by the number that the operator gave it. The *cast* is
// the stream of VP8 frames that all viewers get; it runs only while there are any, and encodes a picture only
// when it changed. A lossy WebP picture is a VP8 key frame, so that every frame here is one: dear in bytes,
// nothing to lose.
//
// The package refuses sound, sensors, cameras and second displays; their channels are accepted and ignored.
// Without a screen (Options.Screen nil) a device is there for signaling only: it answers with a fixed offer.
//
//	device := webrtc.New(webrtc.Options{ID: "cvd-1", Operator: "/run/cuttlefish/operator", Screen: screen})
//	err := device.Run(ctx)
package webrtc
