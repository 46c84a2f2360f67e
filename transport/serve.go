package transport

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
)

// configure gives a body its time. How large it may be is decided once the route is known.
func (s *Server) configure(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if n := h.ContentLength(); n == 0 || n == noBody {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{ReadTimeout: s.limits.BodyTimeout}
}

// noBody is fasthttp's content length for requests that say nothing of a body.
const noBody = -2

// dispatch finds the route. Nothing may panic past it: fasthttp would end the process.
func (s *Server) dispatch(rc *fasthttp.RequestCtx) {
	defer func() {
		if p := recover(); p != nil {
			s.refuse(rc, s.unmatched, s.caught(p))
		}
	}()
	if of := s.options.PathOfHost; of != nil {
		if path := of(string(rc.Host())); path != "" {
			uri := rc.URI()
			rc.Request.SetRequestURI(path + string(uri.PathOriginal()) + "?" + string(uri.QueryString()))
		}
	}
	if h := s.find(rc); h != nil {
		h(rc)
		return
	}
	s.unmatched.serve(rc)
}

// find looks the path up as it was sent, undecoded, with and without a slash at its end.
func (s *Server) find(rc *fasthttp.RequestCtx) fasthttp.RequestHandler {
	method, path := string(rc.Method()), string(rc.URI().PathOriginal())
	if method == fasthttp.MethodHead {
		method = fasthttp.MethodGet
	}
	if path == "" || path[0] != '/' {
		return nil
	}
	h, otherSpelling := s.lookup(method, path, rc)
	if h == nil && otherSpelling {
		if last := len(path) - 1; path[last] == '/' {
			path = path[:last]
		} else {
			path += "/"
		}
		h, _ = s.lookup(method, path, rc)
	}
	return h
}

// lookup also finds routes of any method for the methods that the router does not know.
func (s *Server) lookup(method, path string, rc *fasthttp.RequestCtx) (fasthttp.RequestHandler, bool) {
	h, otherSpelling := s.router.Lookup(method, path, rc)
	if h == nil && !otherSpelling {
		return s.router.Lookup(router.MethodWild, path, rc)
	}
	return h, otherSpelling
}

// serve answers one request on the route, and sees to it that there is an answer.
func (r *boundRoute) serve(rc *fasthttp.RequestCtx) {
	c := &Ctx{rc: rc, route: r}
	r.server.ids.choose(&rc.Request.Header, &c.id)
	if err := r.guarded(c); err != nil {
		r.server.refuse(rc, r, err, c.id.bytes()...)
	}
	r.finish(c)
	if c.ended != nil && !c.later {
		c.ended()
	}
}

// guarded runs the handler; a panic becomes an error.
func (r *boundRoute) guarded(c *Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.server.caught(p)
		}
	}()
	if r.server.draining.Load() {
		return errStopping
	}
	if !r.Open {
		if err := r.server.guard.admit(&c.rc.Request.Header); err != nil {
			return err
		}
	}
	if !r.Streams {
		if err := c.load(); err != nil {
			return err
		}
	}
	return r.traced(c)
}

func (r *boundRoute) finish(c *Ctx) {
	c.rc.Response.Header.SetCanonical(headerRequestID, c.id.bytes())
	status, took := c.rc.Response.StatusCode(), time.Duration(0)
	if begun := c.rc.Time(); !begun.IsZero() { // it is, when there was no whole request
		took = time.Since(begun)
	}
	r.server.metrics.observe(r, c.rc.Method(), status, took)
	if entry := r.server.log.Check(zap.DebugLevel, "request answered"); entry != nil {
		entry.Write(zap.String(obs.RequestID, c.RequestID()), zap.ByteString("method", c.rc.Method()),
			zap.String(obs.Path, r.loggedPath(c.rc)), zap.Int("status", status), zap.Duration(obs.Took, took))
	}
}

// refuse answers with an error. Internal ones are logged with the whole chain, under the id
// that the client is told.
func (s *Server) refuse(rc *fasthttp.RequestCtx, r *boundRoute, err error, requestID ...byte) {
	p := s.redactor.problem(err, rc.UserValue("id") != nil)
	if p.id != "" {
		s.log.Error("internal error", append(s.fieldsOf(err), zap.String(obs.ErrorID, p.id),
			zap.ByteString(obs.RequestID, requestID), zap.String(obs.Op, r.Path))...)
	}
	rc.Response.Reset()
	giveUpBody(rc)
	rc.SetStatusCode(p.status)
	if p.shape == bare {
		rc.Response.Header.SetNoDefaultContentType(true)
	} else {
		rc.Response.Header.SetContentTypeBytes(contentTypeJSON)
	}
	path, method := pathOf(rc, r.depth), string(rc.Method())
	if r == s.malformed && forgotten(rc) {
		path, method = "", ""
	}
	rc.Response.SetBodyRaw(p.body(path, method, time.Now()))
}

// forgotten reports whether fasthttp has dropped the headers, as it does when a body breaks off.
func forgotten(rc *fasthttp.RequestCtx) bool { return rc.Request.Header.Len() == 0 }

// loggedPath is the path of a request as it may be kept.
func (r *boundRoute) loggedPath(rc *fasthttp.RequestCtx) string {
	path := pathOf(rc, 0)
	if secret := r.server.options.SecretPath; secret != "" && strings.HasPrefix(path, secret) {
		return secret + "…"
	}
	return path
}

// pathOf is the path of the request, decoded, without its first parts.
func pathOf(rc *fasthttp.RequestCtx, depth int) string {
	path := cutParts(string(rc.URI().PathOriginal()), depth)
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}
	return path
}

// unreadable answers what never became a request: too large, too slow, or no HTTP.
func (s *Server) unreadable(rc *fasthttp.RequestCtx, err error) {
	lingerOnClose(rc.Conn())
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		err = &special{headersTooLarge, typed, fault.New(fault.TooLarge, "request line and headers are over %d bytes", s.limits.Header)}
	case errors.As(err, &network) && network.Timeout():
		err = RequestTimeoutf("the request did not arrive in time")
	default:
		err = fault.Invalidf("malformed request: %v", err)
	}
	c := &Ctx{rc: rc, route: s.malformed}
	s.ids.choose(&rc.Request.Header, &c.id)
	s.refuse(rc, s.malformed, err, c.id.bytes()...)
	s.malformed.finish(c)
}

// NotFound answers as Daytona's runner does: no JSON, and also for a wrong method.
func NotFound(c *Ctx) error {
	c.rc.SetStatusCode(http.StatusNotFound)
	c.rc.SetContentType("text/plain")
	c.rc.SetBodyString("404 page not found")
	return nil
}
