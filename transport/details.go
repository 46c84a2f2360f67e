package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/obs"
)

// Detailed adds fields to the JSON that err is answered with, for what a program can act on: the name of a
// failure, the tail of a log. They stand behind the usual ones and never replace them. Their texts lose
// credentials as messages do. A nil err stays nil.
func Detailed(err error, fields map[string]any) error {
	if err == nil {
		return nil
	}
	return &detailed{err, fields}
}

type detailed struct {
	error
	fields map[string]any
}

func (d *detailed) Unwrap() error { return d.error }

// detailsOf are the fields that err was given, without credentials.
func (r Redactor) detailsOf(err error) map[string]any {
	var d *detailed
	if !errors.As(err, &d) {
		return nil
	}
	clean := make(map[string]any, len(d.fields))
	for name, value := range d.fields {
		switch v := value.(type) {
		case string:
			clean[name] = r.Clean(v)
		case []string:
			lines := make([]string, len(v))
			for i := range v {
				lines[i] = r.Clean(v[i])
			}
			clean[name] = lines
		default:
			clean[name] = v
		}
	}
	return clean
}

// withDetails puts fields behind those of an encoded object.
func withDetails(body []byte, fields map[string]any) []byte {
	var own map[string]json.RawMessage
	if json.Unmarshal(body, &own) != nil {
		return body
	}
	more := map[string]any{}
	for name, value := range fields {
		if _, taken := own[name]; !taken {
			more[name] = value
		}
	}
	extra, err := encode(more)
	if err != nil || len(more) == 0 {
		return body
	}
	return append(append(bytes.TrimSuffix(body, []byte("}")), ','), extra[1:]...)
}

// ErrorText returns what makes of an error the JSON that it would have been answered with, for streams that
// fail after they have begun: it may be used when the handler has returned. Internal errors are logged.
func (c *Ctx) ErrorText() func(error) []byte {
	s, path, method, id := c.route.server, pathOf(c.rc, c.route.depth), string(c.rc.Method()), c.RequestID()
	inSandbox := c.rc.UserValue("id") != nil
	return func(err error) []byte {
		p := s.redactor.problem(err, inSandbox)
		if p.id != "" {
			s.log.Error("internal error", append(s.fieldsOf(err), zap.String(obs.ErrorID, p.id), zap.String(obs.RequestID, id))...)
		}
		return p.body(path, method, time.Now())
	}
}
