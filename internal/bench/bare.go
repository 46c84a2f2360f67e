package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// bareRole as first argument makes this program the baseline server.
const bareRole = "bare-server"

// serveBare answers every request with a constant JSON of the given size: the least that an
// HTTP server on this library costs. Arguments: address, size. It ends by signal.
func serveBare(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench bare-server ADDRESS SIZE")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	body := bareBody(size)
	server := fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBody(body)
	}}
	return server.ListenAndServe(args[0])
}

// bareBody is a JSON object of size bytes, or the smallest possible.
func bareBody(size int) []byte {
	const open, end = `{"state":"`, `"}`
	return []byte(open + strings.Repeat("x", max(0, size-len(open)-len(end))) + end)
}

// bareServer is the baseline server as a process of its own.
type bareServer struct {
	*child
	addr string
}

// startBare starts the baseline server and waits until it answers.
func (l *lab) startBare(ctx context.Context, size int) (*bareServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, l.path("bare.log"), os.Environ(), self, bareRole, addr, strconv.Itoa(size))
	if err != nil {
		return nil, err
	}
	if err := awaitAnswer(ctx, c, addr); err != nil {
		return nil, errors.Join(err, c.stop(time.Second))
	}
	return &bareServer{c, addr}, nil
}

// target is a GET of the constant body.
func (b *bareServer) target() target {
	return target{addr: b.addr, request: rawRequest(http.MethodGet, "/", "")}
}
