package kernel

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/daytonaio/runner-android/internal/fault"
)

// mailbox is the library's unbounded mailbox behind a door that refuses asks, with an answer,
// when too many messages wait or the actor is down. What actors tell themselves (results,
// ticks) always passes: it is bounded by the work that an actor starts. The count is
// advisory: as many asks as there are concurrent senders may pass above the bound.
type mailbox struct {
	actor.Mailbox
	vitals *Vitals
	bound  int
	count  func() // counts a refusal
}

func newMailbox(v *Vitals, bound int, count func()) actor.MailboxProducer {
	unbounded := actor.Unbounded()
	return func() actor.Mailbox {
		box := &mailbox{Mailbox: unbounded(), vitals: v, bound: bound, count: count}
		v.mailbox.Store(box)
		return box
	}
}

// PostUserMessage lets the message in or answers the asker.
func (m *mailbox) PostUserMessage(message any) {
	a, asked := actor.UnwrapEnvelopeMessage(message).(*ask)
	if !asked {
		m.Mailbox.PostUserMessage(message)
		return
	}
	if err := m.vitals.refusalNow(); err != nil {
		m.count()
		a.reply.Fail(err)
		return
	}
	if n := m.UserMessageCount(); n >= m.bound {
		m.count()
		a.reply.Fail(fault.Unavailablef("%s is busy: %d messages wait; try again", m.vitals.Path, n))
		return
	}
	m.Mailbox.PostUserMessage(message)
}
