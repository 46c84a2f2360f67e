package transport

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// headerRequestID is accepted from clients and sent back with every answer.
var headerRequestID = []byte("X-Request-Id")

// maxRequestID is the longest id accepted.
const maxRequestID = 64

// requestID is a short word without an allocation.
type requestID struct {
	text [maxRequestID]byte
	size int
}

func (id *requestID) bytes() []byte { return id.text[:id.size] }

// requestIDs makes ids that are unique in all logs: a random word for this run of the program,
// and a number.
type requestIDs struct {
	run string
	n   atomic.Uint64
}

func newRequestIDs() *requestIDs {
	return &requestIDs{run: strings.ToLower(rand.Text()[:8]) + "-"}
}

// choose takes the client's id when it is [A-Za-z0-9._-]{1,64}, else a new one.
func (r *requestIDs) choose(h *fasthttp.RequestHeader, id *requestID) {
	if given := h.PeekBytes(headerRequestID); wellFormedID(given) {
		id.size = copy(id.text[:], given)
		return
	}
	made := append(id.text[:0], r.run...)
	made = strconv.AppendUint(made, r.n.Add(1), 36)
	id.size = len(made)
}

func wellFormedID(id []byte) bool {
	if len(id) == 0 || len(id) > maxRequestID {
		return false
	}
	for _, c := range id {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
