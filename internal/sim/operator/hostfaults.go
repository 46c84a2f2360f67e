package operator

import (
	"context"
	"log"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
)

// followHost keeps the service down for as long as the rules of the host say so: a stopped operator cannot be told at
// its desk. It returns when ctx ends.
func (s *Service) followHost(ctx context.Context, script *inject.Script) {
	const interval = 50 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var read time.Time // the rules' time when they were obeyed last
	for {
		if changed := script.ModTime(); !changed.Equal(read) {
			if err := s.obey(script); err != nil {
				log.Print(err)
			} else {
				read = changed
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) obey(script *inject.Script) error {
	faults, err := script.Host()
	if err != nil {
		return err
	}
	s.acts.Lock()
	defer s.acts.Unlock()
	switch down := faults.Has("operator_down"); {
	case down:
		s.halt()
	case s.Hub() == nil:
		return s.open()
	}
	return nil
}
