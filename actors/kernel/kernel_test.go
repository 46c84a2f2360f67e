package kernel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
)

// What the probe actor is told.
type (
	hello   struct{}
	boom    struct{}
	forget  struct{}
	keep    struct{ got chan kernel.Reply }
	block   struct{ until chan struct{} }
	spawn   struct{ spec kernel.Spec }
	spawned struct{ ref *kernel.Ref }
)

// probe answers with the number of its incarnation.
type probe struct {
	kernel.Base
	sys         *kernel.System
	incarnation int
}

func (p *probe) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case hello:
		p.Answer(p.incarnation)
	case boom:
		panic("boom")
	case keep:
		msg.got <- p.Take()
	case block:
		<-msg.until
		p.Answer("unblocked")
	case spawn:
		ref, err := p.sys.Spawn(ctx, msg.spec)
		if err != nil {
			p.Refuse(err)
			return
		}
		p.Answer(spawned{ref})
	case forget:
	}
}

// world is a system with a root and one child, inside a synctest bubble.
type world struct {
	t           *testing.T
	sys         *kernel.System
	root, child *kernel.Ref
}

func inBubble(t *testing.T, mailbox int, test func(w world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := world{t: t, sys: kernel.NewSystem(kernel.Options{})}
		var err error
		w.root, err = w.sys.SpawnRoot(kernel.Spec{Name: "root", Kind: "root", New: func(*kernel.Ref) actor.Actor {
			return &probe{sys: w.sys}
		}})
		if err != nil {
			t.Fatal(err)
		}
		incarnations := 0
		w.child = w.spawn(kernel.Spec{Name: "child", Kind: "probe", Mailbox: mailbox, New: func(*kernel.Ref) actor.Actor {
			incarnations++
			return &probe{sys: w.sys, incarnation: incarnations}
		}})
		test(w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.sys.Stop(ctx, w.root); err != nil {
			t.Errorf("stop: %v", err)
		}
		time.Sleep(2 * time.Second) // virtual: the library's dead-letter throttle lives one second
	})
}

func (w world) spawn(spec kernel.Spec) *kernel.Ref {
	w.t.Helper()
	answer, err := w.root.Ask(w.t.Context(), spawn{spec})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.(spawned).ref
}

func TestAskIsAnswered(t *testing.T) {
	inBubble(t, 0, func(w world) {
		if got, err := w.child.Ask(w.t.Context(), hello{}); got != 1 || err != nil {
			t.Errorf("got %v, %v; want 1", got, err)
		}
	})
}

func TestPanicAnswersTheAskerAndRestartsAfterAPause(t *testing.T) {
	inBubble(t, 0, func(w world) {
		_, err := w.child.Ask(w.t.Context(), boom{})
		if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "boom") {
			t.Errorf("asker got %v; want an internal error with the panic", err)
		}
		synctest.Wait()
		if _, err := w.child.Ask(w.t.Context(), hello{}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("while it waits for its restart: got %v; want unavailable", err)
		}
		time.Sleep(150 * time.Millisecond)
		if got, err := w.child.Ask(w.t.Context(), hello{}); got != 2 || err != nil {
			t.Errorf("after the restart: got %v, %v; want incarnation 2", got, err)
		}
		if h, _, restarts, last := w.child.Vitals().Report(); h != kernel.Running || restarts != 1 || last != "boom" {
			t.Errorf("vitals: %v, %d restarts, %q", h, restarts, last)
		}
	})
}

func TestAnActorThatKeepsFailingIsLostAndTriedEachMinute(t *testing.T) {
	inBubble(t, 0, func(w world) {
		for range 5 {
			_, _ = w.child.Ask(w.t.Context(), boom{})
			synctest.Wait()
			if h, _, _, _ := w.child.Vitals().Report(); h == kernel.Lost {
				break
			}
			time.Sleep(2 * time.Second)
		}
		if h, _, _, _ := w.child.Vitals().Report(); h != kernel.Lost {
			t.Fatalf("after five failures: %v; want lost", h)
		}
		time.Sleep(30 * time.Second)
		if _, err := w.child.Ask(w.t.Context(), hello{}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("half a minute later: got %v; want unavailable", err)
		}
		time.Sleep(31 * time.Second)
		if _, err := w.child.Ask(w.t.Context(), hello{}); err != nil {
			t.Errorf("a minute later: %v; want an answer", err)
		}
		if got, err := w.root.Ask(w.t.Context(), hello{}); err != nil {
			t.Errorf("root noticed: %v, %v", got, err)
		}
	})
}

// Ensure whoever cares hears that an actor was given up, and not that it merely failed.
func TestTheEndOfPatienceIsTold(t *testing.T) {
	inBubble(t, 0, func(w world) {
		var told []string
		answer, err := w.root.Ask(w.t.Context(), spawn{kernel.Spec{
			Name: "frail", Kind: "frail", New: func(*kernel.Ref) actor.Actor { return &probe{} },
			Lost: func(reason string) { told = append(told, reason) },
		}})
		if err != nil {
			t.Fatal(err)
		}
		frail := answer.(spawned).ref
		for i := range 5 {
			if len(told) != 0 {
				t.Errorf("told %q after %d failures", told, i)
			}
			_, _ = frail.Ask(w.t.Context(), boom{})
			synctest.Wait()
			time.Sleep(2 * time.Second)
		}
		if len(told) != 1 || told[0] != "boom" {
			t.Errorf("told %q; want boom, once", told)
		}
	})
}

func TestAFullMailboxRefusesAndLosesNothing(t *testing.T) {
	inBubble(t, 4, func(w world) {
		until := make(chan struct{})
		blocked := w.child.Post(t.Context(), block{until})
		synctest.Wait()
		var accepted []kernel.Reply
		for range 4 {
			accepted = append(accepted, w.child.Post(t.Context(), hello{}))
		}
		if _, err := w.child.Ask(w.t.Context(), hello{}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("fifth ask: %v; want unavailable at once", err)
		}
		if got := w.child.Vitals().Depth(); got != 4 {
			t.Errorf("depth %d; want 4", got)
		}
		close(until)
		for i, r := range append(accepted, blocked) {
			if _, err := w.child.Await(w.t.Context(), r); err != nil {
				t.Errorf("accepted ask %d: %v", i, err)
			}
		}
	})
}

func TestAskEndsWithItsContext(t *testing.T) {
	inBubble(t, 0, func(w world) {
		until := make(chan struct{})
		defer close(until)
		w.child.Post(t.Context(), block{until})
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, err := w.child.Ask(ctx, hello{}); !fault.Is(err, fault.Timeout) {
			t.Errorf("got %v; want timeout", err)
		}
	})
}

func TestASilentActorIsADefectThatTheAskerHearsOf(t *testing.T) {
	inBubble(t, 0, func(w world) {
		if _, err := w.child.Ask(w.t.Context(), forget{}); !fault.Is(err, fault.Internal) {
			t.Errorf("got %v; want internal", err)
		}
	})
}

func TestAKeptReplyIsAnsweredLaterAndOnce(t *testing.T) {
	inBubble(t, 0, func(w world) {
		got := make(chan kernel.Reply, 1)
		slot := w.child.Post(t.Context(), keep{got})
		reply := <-got
		go func() {
			reply.Send("first")
			reply.Send("second")
		}()
		if v, err := w.child.Await(w.t.Context(), slot); v != "first" || err != nil {
			t.Errorf("got %v, %v; want first", v, err)
		}
	})
}

func TestTheEndAnswersWhoWaitsAndFreesTheName(t *testing.T) {
	inBubble(t, 0, func(w world) {
		w.child.Tell(boom{}) // it is down when the end comes
		synctest.Wait()
		w.child.End()
		select {
		case <-w.child.Gone():
		case <-time.After(5 * time.Second):
			t.Fatal("an actor that is down did not end")
		}
		if _, err := w.child.Ask(w.t.Context(), hello{}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("asking the dead: %v; want unavailable", err)
		}
		again := w.spawn(kernel.Spec{Name: "child", Kind: "probe", New: func(*kernel.Ref) actor.Actor { return &probe{sys: w.sys, incarnation: 7} }})
		if got, err := again.Ask(w.t.Context(), hello{}); got != 7 || err != nil {
			t.Errorf("the name's next holder: %v, %v", got, err)
		}
	})
}

func TestRootSurvivesItsOwnPanicWithItsChildren(t *testing.T) {
	inBubble(t, 0, func(w world) {
		if _, err := w.root.Ask(w.t.Context(), boom{}); !fault.Is(err, fault.Internal) {
			t.Errorf("asker got %v", err)
		}
		synctest.Wait()
		if got, err := w.child.Ask(w.t.Context(), hello{}); got != 1 || err != nil {
			t.Errorf("child after root's panic: %v, %v; want the same incarnation", got, err)
		}
		if _, err := w.root.Ask(w.t.Context(), hello{}); err != nil {
			t.Errorf("root after its panic: %v", err)
		}
	})
}

func TestTimersAreCancelled(t *testing.T) {
	inBubble(t, 0, func(w world) {
		w.child.TellAfter(time.Second, boom{})()
		time.Sleep(2 * time.Second)
		if got, err := w.child.Ask(w.t.Context(), hello{}); got != 1 || err != nil {
			t.Errorf("got %v, %v: the cancelled timer fired", got, err)
		}
	})
}

func BenchmarkAsk(b *testing.B) {
	sys := kernel.NewSystem(kernel.Options{})
	root, err := sys.SpawnRoot(kernel.Spec{Name: "root", Kind: "root", New: func(*kernel.Ref) actor.Actor { return &probe{} }})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := root.Ask(b.Context(), hello{}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := sys.Stop(b.Context(), root); err != nil {
		b.Error(err)
	}
}

func ExampleRef_Ask() {
	sys := kernel.NewSystem(kernel.Options{})
	root, _ := sys.SpawnRoot(kernel.Spec{Name: "root", Kind: "root", New: func(*kernel.Ref) actor.Actor { return &probe{incarnation: 1} }})
	answer, err := root.Ask(context.Background(), hello{})
	fmt.Println(answer, err)
	_ = sys.Stop(context.Background(), root)
	// Output: 1 <nil>
}
