package transport

import (
	"bytes"
	"crypto/subtle"

	"github.com/valyala/fasthttp"

	"github.com/daytonaio/runner-android/internal/fault"
)

// The runner's own header comes first: Daytona's proxy uses it so that a user's Authorization
// can pass through to the sandbox (daytona: apps/runner/pkg/api/middlewares/auth.go).
var (
	headerDaytonaAuth = []byte("X-Daytona-Authorization")
	headerAuth        = []byte(fasthttp.HeaderAuthorization)
	schemeBearer      = []byte("Bearer ")
)

// The refusals, in Daytona's words.
var (
	errNoCredentials = fault.New(fault.Unauthorized, "authorization header required")
	errCredentials   = fault.New(fault.Unauthorized, "invalid authorization header format")
	errToken         = fault.New(fault.Unauthorized, "invalid token")
)

// guard checks credentials against one token.
type guard struct{ token []byte }

// check compares in constant time. It changes nothing.
func (g guard) check(h *fasthttp.RequestHeader) error {
	value := h.PeekBytes(headerDaytonaAuth)
	if len(value) == 0 {
		value = h.PeekBytes(headerAuth)
	}
	if len(value) == 0 {
		return errNoCredentials
	}
	token, ok := bytes.CutPrefix(value, schemeBearer)
	if !ok || bytes.IndexByte(token, ' ') >= 0 {
		return errCredentials
	}
	if subtle.ConstantTimeCompare(token, g.token) != 1 {
		return errToken
	}
	return nil
}

// admit checks and takes the token out, so that no handler can pass it on. An Authorization
// that was not needed is the user's own and stays.
func (g guard) admit(h *fasthttp.RequestHeader) error {
	if err := g.check(h); err != nil {
		return err
	}
	if len(h.PeekBytes(headerDaytonaAuth)) == 0 {
		h.DelBytes(headerAuth)
	}
	h.DelBytes(headerDaytonaAuth)
	return nil
}
