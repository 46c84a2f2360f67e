// Package gesture is what a finger does on the screen, as lines of shell for Android's input command.
//
//	gesture.Tap(image.Pt(10, 20)) // input tap 10 20
//
// Points are pixels of the screen as it is turned, those of screenshots.
package gesture

import (
	"fmt"
	"image"
	"time"
)

// hold is how long a long press takes: past Android's own 400 to 500 ms.
const hold = 600 * time.Millisecond

// Tap is a finger down and up.
func Tap(at image.Point) string { return fmt.Sprintf("input tap %d %d", at.X, at.Y) }

// Long is a long press.
func Long(at image.Point) string { return Swipe(at, at, hold) }

// Swipe moves a finger on a straight line, which takes that long, in milliseconds.
func Swipe(from, to image.Point, takes time.Duration) string {
	return fmt.Sprintf("input swipe %d %d %d %d %d", from.X, from.Y, to.X, to.Y, takes.Milliseconds())
}
