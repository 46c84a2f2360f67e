package obs

import (
	"crypto/rand"
	"strings"
)

// errorIDLength gives 40 bits at five bits a letter: no two alike in any log worth searching,
// and short enough to be read out.
const errorIDLength = 8

// NewErrorID returns a random word of eight letters and digits. The client that met an error
// is shown it, and the log line with the whole chain carries it under [ErrorID]. It is safe
// for concurrent use and says nothing about time or order.
func NewErrorID() string {
	return strings.ToLower(rand.Text()[:errorIDLength])
}
