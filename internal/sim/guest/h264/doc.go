// Package h264 is a small encoder of H.264 video for screens that are drawn: what has not changed costs next to
// nothing, and what has is kept exactly. It was written after ITU-T H.264 (08/2021) and is checked with ffmpeg's decoder.
//
// Words: a *macroblock* is 16 by 16 pixels; a [Unit] is what the standard calls a NAL unit, without a start code.
// The profile is Constrained Baseline. Of a frame, macroblocks that are as before are skipped; those that go on as
// the row above or the column to the left end are said to; all others are there sample by sample (I_PCM). So nothing is lost but by the
// change from RGB to YUV 4:2:0 (BT.709, limited range), and no frame needs another than the one before it.
//
//	e, err := h264.New(720, 1280)
//	units := e.Encode(img, false) // SPS, PPS and an IDR the first time; nil when nothing has changed
//	stream = h264.AnnexB(stream, units)
//
// It knows no motion, no transform and no rate: a screen full of noise takes 1.5 bytes for each pixel.
package h264
