package process

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// meeting is a Shell whose commands end when as many as there are to be run at the same time.
type meeting struct{ all sync.WaitGroup }

func (m *meeting) Run(ctx context.Context, serial string, _ guestshell.Script) (guestshell.Result, error) {
	m.all.Done()
	met := make(chan struct{})
	go func() { m.all.Wait(); close(met) }()
	select {
	case <-met:
		return guestshell.Result{Output: []byte("runner-x 7\n" + serial)}, nil
	case <-ctx.Done():
		return guestshell.Result{}, context.Cause(ctx)
	}
}

// Ensure 200 commands on 50 devices run at the same time: none waits for another.
func TestCommandsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	const devices, each = 50, 4
	shell := &meeting{}
	shell.all.Add(devices * each)
	lessor := transporttest.AskerFunc(func(_ context.Context, msg any) (any, error) {
		return messages.Lease{Serial: string(msg.(messages.AttachSandbox).ID), Done: make(chan struct{})}, nil
	})
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		toolbox.Mount(s, New(lease.New(lessor, nil), shell, Options{}).Routes())
	})
	var requests sync.WaitGroup
	for i := range devices * each {
		requests.Go(func() {
			path := fmt.Sprintf("/sandboxes/dev-%d/toolbox/process/execute", i%devices)
			got, err := c.Try(http.MethodPost, path, strings.NewReader(`{"command":"x","timeout":15}`))
			if err != nil || got.Status != http.StatusOK || !strings.Contains(got.Body, fmt.Sprintf("dev-%d", i%devices)) {
				t.Errorf("%v, %d %s", err, got.Status, got.Body)
			}
		})
	}
	requests.Wait()
}
