package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"regexp"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// maxPage is how much of a page is held to be completed; a larger one passes as it is.
const maxPage = 4 << 20

// page brings the device's page, or says in a page of our own why there is none.
func (d *Door) page(c *transport.Ctx, held use, shown *display) error {
	header := askedOf(c)
	for _, name := range unconditional {
		delete(header, name)
	}
	got, err := d.fetch(held, shown, "client.html", "", header) // what is in the query is for the browser
	if err == nil {
		switch err = deviceGone(got.Response); {
		case err != nil:
		case got.StatusCode == http.StatusNotFound:
			err = fault.NotFoundf("the device is not registered with the operator yet")
		case got.StatusCode >= http.StatusBadRequest:
			err = transport.BadGateway(fault.Unavailablef("the device's page server answers %s", got.Status))
		}
		if err != nil {
			_ = got.Close()
		}
	}
	if err != nil {
		shown.saw(conditionOf(err))
		return d.waiting(c, held.ID, isGuest(held.until), err)
	}
	c.SetHeader("Cache-Control", "no-store")
	kind, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if kind != "text/html" || got.StatusCode != http.StatusOK || got.Header.Get("Content-Encoding") != "" || got.ContentLength > maxPage {
		tell(c, got.Header)
		c.StreamFrom(got.StatusCode, got.size(), got)
		return nil
	}
	defer func() { _ = got.Close() }()
	text, err := io.ReadAll(io.LimitReader(got, maxPage+1))
	if err != nil {
		return d.waiting(c, held.ID, isGuest(held.until), fault.Timeoutf("the device broke off its page: %v", err))
	}
	if len(text) > maxPage {
		return fault.Unavailablef("the device's page is over the limit of %d bytes", maxPage)
	}
	c.SetHeader("X-Content-Type-Options", "nosniff")
	return c.Bytes(http.StatusOK, got.Header.Get("Content-Type"), complete(text, shown.device()))
}

// head is where a page takes what is added to it.
var head = regexp.MustCompile(`(?i)<head(\s[^>]*)?>`)

// complete tells the page its device, and where its files are, as the specification has it. Neither is needed by
// the connector; a page without a head stays as it is.
func complete(text []byte, device string) []byte {
	at := head.FindIndex(text)
	if at == nil {
		return text
	}
	id, err := json.Marshal(device) // escapes what could end the script
	if err != nil {
		return text
	}
	return bytes.Join([][]byte{
		text[:at[1]], []byte(`<base href="./"><script>window.__DAYTONA_DEVICE_ID=`), id, []byte(`</script>`), text[at[1]:],
	}, nil)
}
