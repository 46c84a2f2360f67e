package kernel

import (
	"fmt"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Base is embedded by every actor. It knows who waits for the answer of the current turn.
type Base struct {
	asker Reply
	taken bool // the actor keeps the asker and answers later
}

// Answer answers who asked in this turn; nobody did is fine.
func (b *Base) Answer(v any) { b.Take().Send(v) }

// Refuse answers who asked with an error.
func (b *Base) Refuse(err error) { b.Take().Fail(err) }

// Take hands over the asker: whoever takes it has to answer.
func (b *Base) Take() Reply {
	b.taken = true
	return b.asker
}

func (b *Base) beginTurn(r Reply) { b.asker, b.taken = r, false }

func (b *Base) answered() bool { return b.taken }

// turns is what the middleware needs of an actor; Base provides it.
type turns interface {
	beginTurn(Reply)
	answered() bool
}

// receive unwraps asks so that behaviours see plain messages, and sees to it that nobody is
// left waiting: not by a panic, and not by an actor that forgets.
func (s *System) receive(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, env *actor.MessageEnvelope) {
		reply := Reply{}
		if a, asked := env.Message.(*ask); asked {
			env, reply = &actor.MessageEnvelope{Header: env.Header, Message: a.msg, Sender: env.Sender}, a.reply
		}
		defer func() {
			if r := recover(); r != nil {
				s.log.Error("actor panicked", zap.String("actor", ctx.Self().Id),
					zap.String("message", fmt.Sprintf("%T", env.Message)), zap.Any("panic", r),
					zap.ByteString("stack", debug.Stack()))
				reply.Fail(fault.Internalf("the actor panicked on %T: %v", env.Message, r))
				panic(r) // supervision restarts it
			}
		}()
		t, tracked := ctx.Actor().(turns)
		if tracked {
			t.beginTurn(reply)
		}
		next(ctx, env)
		if tracked && reply.Wanted() && !t.answered() {
			s.metrics.unanswered.Inc()
			s.log.Error("actor did not answer", zap.String("actor", ctx.Self().Id),
				zap.String("message", fmt.Sprintf("%T", env.Message)))
			reply.Fail(fault.Internalf("%s does not answer %T", ctx.Self().Id, env.Message))
		}
	}
}
