package frames

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// helloLimit is how long a viewer may take to say what it can decode.
	helloLimit = 10 * time.Second
	// defaultViewers is how many may watch one device: each costs it an encoder.
	defaultViewers = 4
)

// Guest is what is needed of devices. It is safe for concurrent use.
type Guest interface {
	guestshell.Shell
	// Output runs a command and gives what it prints, as bytes, until it ends or ctx does. The caller closes it.
	Output(ctx context.Context, serial, command string) (io.ReadCloser, error)
}

// Options bound what viewers can ask for. Zero fields mean the default.
type Options struct {
	Viewers int         // of one device at a time; 4
	Log     *zap.Logger // nil: silent
}

// Server serves viewers. It is safe for concurrent use.
type Server struct {
	guest    Guest
	commands guestcommand.Commander
	Options
	viewers lease.Places
}

// New makes a server.
func New(guest Guest, o Options) *Server {
	if o.Viewers == 0 {
		o.Viewers = defaultViewers
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("proxy.frames")
	return &Server{guest: guest, commands: guestcommand.Commander{Shell: guest}, Options: o}
}

// viewer is one of them.
type viewer struct {
	*Server
	held   lease.Lease
	socket *transport.Socket
	quiet  time.Duration // see quiet
	log    *zap.Logger
}

// Serve shows the screen until ctx ends, the viewer leaves, or the lease is over, whose cause is then the error.
func (s *Server) Serve(ctx context.Context, held lease.Lease, socket *transport.Socket) error {
	if !s.viewers.Take(held.ID, s.Viewers) {
		return fault.Exhaustedf("%d viewers without WebRTC watch sandbox %s already", s.Viewers, held.ID)
	}
	defer s.viewers.Leave(held.ID)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(held.Context, func() { cancel(context.Cause(held.Context)) })()
	v := &viewer{s, held, socket, quiet, s.Log.With(zap.String(obs.SandboxID, string(held.ID)))}
	codecs, err := v.hello()
	if err != nil {
		return err
	}
	inputs := make(chan input, maxQueue)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel(errLeft)
		v.read(inputs)
	})
	reading.Go(func() { v.act(ctx, inputs) })
	err = v.show(ctx, codecs)
	cancel(err)
	socket.StopReading()
	reading.Wait()
	if cause := context.Cause(ctx); cause != nil && !fault.Is(cause, fault.Cancelled) {
		return cause
	}
	return nil
}

// errLeft is the cause of a viewer's end that is its own.
var errLeft = fault.New(fault.Cancelled, "the viewer left")

// hello reads the viewer's first message.
func (v *viewer) hello() (codecs []string, err error) {
	within, cancel := context.WithTimeoutCause(context.Background(), helloLimit,
		fault.Timeoutf("the viewer did not say what it can decode within %s", helloLimit))
	defer cancel()
	defer v.socket.CloseWith(within)()
	text, message, err := v.socket.Read()
	if err != nil {
		return nil, guestcommand.CauseOf(within, err)
	}
	var hello struct {
		Codecs []string `json:"codecs"`
	}
	if err := json.Unmarshal(message, &hello); err != nil || !text || len(hello.Codecs) == 0 {
		return nil, fault.Invalidf(`the first message must be {"codecs":["h264","image"]} or some of these`)
	}
	return hello.Codecs, nil
}

// show sends pictures: video where both sides can, else images.
func (v *viewer) show(ctx context.Context, codecs []string) error {
	if slices.Contains(codecs, codecVideo) {
		err := v.video(ctx)
		if err == nil || ctx.Err() != nil || !slices.Contains(codecs, codecImage) {
			return err
		}
		v.log.Info("no video from the device; the screen comes as images", zap.Error(err))
	}
	return v.images(ctx)
}

// The codecs.
const (
	codecVideo = "h264"
	codecImage = "image"
)

// announce says which pictures come from now on.
func (v *viewer) announce(codec string) error {
	text, err := json.Marshal(struct {
		Type  string `json:"type"`
		Codec string `json:"codec"`
	}{"screen", codec})
	if err != nil {
		return fault.Wrap(fault.Internal, "announce the codec", err)
	}
	return v.socket.Text(text)
}
