package transporttest

import (
	"context"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/messages"
)

// Serial is that of the one device that [Lessor] has.
const Serial = "127.0.0.1:6520"

// Lessor is actors that lease the device of "dev-1" until left is closed. "stopped" is a sandbox that is
// not started; there are no others.
func Lessor(left <-chan struct{}) AskerFunc {
	return func(_ context.Context, msg any) (any, error) {
		m, ok := msg.(messages.AttachSandbox)
		switch {
		case !ok:
			return nil, fault.Internalf("asked %T", msg)
		case m.ID == "dev-1":
			return messages.Lease{Serial: Serial, Done: left}, nil
		case m.ID == "stopped":
			return nil, fault.Conflictf("sandbox stopped is stopped: is the sandbox started?")
		}
		return nil, fault.NotFoundf("sandbox %s does not exist on this runner", m.ID)
	}
}
