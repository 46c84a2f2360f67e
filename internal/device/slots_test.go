package device

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlotsServeStartsBeforeCreatesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		first, err := s.acquire(t.Context(), forCreate)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan string, 4)
		want := func(name string, c class) {
			go func() {
				release, err := s.acquire(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				served <- name
				time.Sleep(time.Second)
				release()
				release() // a second call gives nothing back
			}()
			synctest.Wait()
		}
		want("create 1", forCreate)
		want("create 2", forCreate)
		want("start 1", forStart)
		want("start 2", forStart)
		first()
		for _, name := range []string{"start 1", "start 2", "create 1", "create 2"} {
			if got := <-served; got != name {
				t.Errorf("served %s; want %s", got, name)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.free != 1 {
			t.Errorf("%d slots free in the end; want 1", s.free)
		}
	})
}

func TestAWaiterThatLeavesCostsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		release, err := s.acquire(t.Context(), forStart)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.acquire(ctx, forStart); err == nil {
			t.Fatal("got a slot that was not free")
		}
		release()
		if _, err := s.acquire(t.Context(), forCreate); err != nil {
			t.Errorf("the slot is lost: %v", err)
		}
	})
}
