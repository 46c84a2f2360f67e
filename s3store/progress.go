package s3store

import "sync/atomic"

// Progress is where one transfer, or several together, have got to. The zero value is ready; a
// reader may poll it at any time. A nil *Progress counts nothing.
type Progress struct {
	total, done, sent, received, copied, skipped atomic.Int64
}

// Counts is a Progress at one moment, in bytes.
type Counts struct {
	Total    int64 // of the content, as far as it is known: what streams have read up to now
	Done     int64 // of Total: sent, copied, received or skipped, and settled
	Sent     int64 // bodies of requests as they went out, repeated ones too
	Received int64 // content as it came in
	Copied   int64 // content that the server copied by itself
	Skipped  int64 // content that was there from an interrupted upload, or zeros that needed no writing
}

// Read returns the counts. Each is exact; they are not of precisely one moment.
func (p *Progress) Read() Counts {
	if p == nil {
		return Counts{}
	}
	return Counts{
		Done: p.done.Load(), Total: p.total.Load(), Sent: p.sent.Load(),
		Received: p.received.Load(), Copied: p.copied.Load(), Skipped: p.skipped.Load(),
	}
}

func (p *Progress) addTotal(n int64) {
	if p != nil {
		p.total.Add(n)
	}
}

func (p *Progress) addDone(n int64) {
	if p != nil {
		p.done.Add(n)
	}
}

func (p *Progress) addSent(n int64) {
	if p != nil {
		p.sent.Add(n)
	}
}

func (p *Progress) addReceived(n int64) {
	if p != nil {
		p.received.Add(n)
	}
}

func (p *Progress) addCopied(n int64) {
	if p != nil {
		p.copied.Add(n)
	}
}

func (p *Progress) addSkipped(n int64) {
	if p != nil {
		p.skipped.Add(n)
	}
}
