// Package screen makes pictures of what Android's screencap command says: it reads its raw form, cuts,
// scales and encodes, all on the host, because encoding a PNG costs the guest more than sending pixels.
//
// Words: a frame is screencap's output without -p: width, height, format and, from Android 9 on, colour
// space, each 32 bits little-endian; then rows without gaps. Frames over [MaxPixels] are refused.
//
//	img, err := screen.Read(stdout)
//	png, err := screen.Encode(screen.Scale(img, 0.5), "png", 0)
package screen
