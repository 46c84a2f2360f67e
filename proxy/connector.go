package proxy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// The modules take the id of the device where this word stands: it is not in the address of the page, which may
// hold a signed token instead.
var placeholder = []byte(`"{{device}}"`)

var (
	//go:embed assets/connector.js
	ownConnector []byte
	//go:embed assets/wrapper.js
	wrapper []byte
	//go:embed assets/media.js
	media []byte
	//go:embed assets/viewer.js
	viewer []byte
)

// assets are our own scripts, by their names below [own].
var assets = map[string][]byte{"media.js": media, "viewer.js": viewer}

// connector answers with the module by which the page reaches the device.
func (d *Door) connector(c *transport.Ctx, _ use, shown *display) error {
	id, err := json.Marshal(shown.device())
	if err != nil {
		return fault.Wrap(fault.Internal, "encode the device's id", err)
	}
	text := ownConnector
	if d.Wrap {
		text = wrapper
	}
	c.SetHeader("Cache-Control", "no-store")
	c.SetHeader("X-Content-Type-Options", "nosniff")
	return c.Bytes(http.StatusOK, "text/javascript; charset=utf-8", bytes.ReplaceAll(text, placeholder, id))
}
