package wire

import (
	"encoding/json"
	"strings"
)

// storageSigns are the texts after which Daytona offers a recovery (daytona:
// apps/runner/pkg/common/errors.go).
var storageSigns = []string{"no space left on device", "storage limit", "disk quota exceeded"}

// SaysDiskFull reports whether an error's text is one of those that Daytona makes recoverable.
func SaysDiskFull(reason string) bool { return hasSign(reason, storageSigns) }

// deathSigns are the runner's own words for a device that a restart may bring back.
var deathSigns = []string{"device died", "found dead", "device crashed", "was not reached"}

// Recoverable reports whether RECOVER_SANDBOX, which restarts the device, may cure what the text
// complains of.
func Recoverable(reason string) bool { return SaysDiskFull(reason) || hasSign(reason, deathSigns) }

func hasSign(text string, signs []string) bool {
	text = strings.ToLower(text)
	for _, sign := range signs {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// recoverableText is what Daytona's API parses where it finds it as the message of an error.
type recoverableText struct {
	ErrorReason string `json:"errorReason"`
	Recoverable bool   `json:"recoverable"`
}

// RecoverableText wraps the reason of a recoverable error, for a job's errorMessage.
func RecoverableText(reason string) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(recoverableText{reason, true}); err != nil { // a text and a bool: cannot happen
		panic(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// RecoverableMessage is the same as REST answers have it, which invite to act.
func RecoverableMessage(reason string) string {
	return RecoverableText(reason + " - you may attempt a recovery action")
}
