package proxy

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/proxy/links"
	"github.com/daytonaio/runner-android/transport"
)

// LinkPath is where links lead: the path form is this, the token, and the path of the page.
const LinkPath = linkPath

const (
	linkPath = "/display/"
	// linkHost is the second label of the host form, behind the token.
	linkHost = "display"
)

// Sharing hands out links to displays, and serves who comes by one. It is safe for concurrent use.
type Sharing struct {
	door *Door
	book *links.Book
	url  func() string // of the runner, without a path
}

// Share makes it. url is where people reach the runner, such as http://runner.example:3107.
func (d *Door) Share(book *links.Book, url func() string) *Sharing { return &Sharing{d, book, url} }

// Routes is the table of those who hand out links, to be mounted behind a sandbox's id.
func (s *Sharing) Routes() []transport.Route {
	return []transport.Route{
		{Method: http.MethodPost, Path: "/display/links", Handler: s.create},
		{Method: http.MethodGet, Path: "/display/links", Handler: s.list},
		{Method: http.MethodDelete, Path: "/display/links/{link}", Handler: s.revoke},
	}
}

// OpenRoutes is the table of those who come by a link, to be mounted at the root. The token in the path is their right.
func (s *Sharing) OpenRoutes() []transport.Route {
	return []transport.Route{
		{Method: http.MethodGet, Path: linkPath + "{token}", Handler: s.visit, Open: true, Slow: true},
		{Method: http.MethodGet, Path: linkPath + "{token}/{path:*}", Handler: s.visit, Open: true, Slow: true},
		{Method: http.MethodPost, Path: linkPath + "{token}/{path:*}", Handler: s.visit, Open: true, Slow: true},
	}
}

// PathOfHost is the path that is meant by the host form of a link: <token>.display.<anything>.
func PathOfHost(host string) string {
	token, rest, _ := strings.Cut(strings.ToLower(host), ".")
	if second, _, found := strings.Cut(rest, "."); !found || second != linkHost || !links.IsToken(token) {
		return ""
	}
	return linkPath + token
}

// shared is a link as it is shown.
type shared struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	HostURL string    `json:"hostUrl,omitempty"`
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"createdAt"`
	Expires time.Time `json:"expiresAt"`
}

func (s *Sharing) shown(l links.Link) shared {
	token, at := s.book.Token(l), s.url()
	out := shared{ID: l.ID, URL: at + linkPath + token + "/", Label: l.Label, Created: l.Created, Expires: l.Expires}
	if u, err := url.Parse(at); err == nil && net.ParseIP(u.Hostname()) == nil && u.Hostname() != "" {
		u.Host = token + "." + linkHost + "." + u.Host
		out.HostURL = u.String() + "/"
	}
	return out
}

func (s *Sharing) create(c *transport.Ctx) error {
	var wishes struct {
		Seconds *int64 `json:"expiresInSeconds"`
		Label   string `json:"label"`
	}
	if len(c.Body()) > 0 {
		if err := c.Decode(&wishes); err != nil {
			return err
		}
	}
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	span := links.Default
	if wishes.Seconds != nil {
		span = time.Duration(min(max(*wishes.Seconds, 0), int64(links.Longest/time.Second)+1)) * time.Second
	}
	link, err := s.book.Make(c.Context(), id, span, wishes.Label)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, s.shown(link))
}

func (s *Sharing) list(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	all, err := s.book.List(c.Context(), id)
	if err != nil {
		return err
	}
	out := struct {
		Links []shared `json:"links"`
	}{[]shared{}}
	for _, l := range all {
		out.Links = append(out.Links, s.shown(l))
	}
	return c.JSON(http.StatusOK, out)
}

func (s *Sharing) revoke(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	link, err := c.Param("link")
	if err != nil {
		return err
	}
	if err := s.book.Revoke(c.Context(), id, link); err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// visit serves who has a link.
func (s *Sharing) visit(c *transport.Ctx) error {
	token, err := c.Param("token")
	if err != nil {
		return err
	}
	c.SetHeader("Referrer-Policy", "no-referrer") // the page asks others for fonts, and its address is the right to it
	link, until, err := s.book.Open(c.Query(), token)
	if fault.Is(err, fault.NotFound) {
		return refuseVisit(c, err)
	}
	if err != nil {
		return err
	}
	if path := string(c.Fasthttp().URI().PathOriginal()); !strings.HasPrefix(path, linkPath+token+"/") {
		to := token + "/" // the page's files are beside it
		if query := string(c.Fasthttp().URI().QueryString()); query != "" {
			to += "?" + query
		}
		c.SetHeader("Location", to)
		return c.Empty(http.StatusTemporaryRedirect)
	}
	return s.door.Serve(until, c, link.Sandbox)
}

var endedPage = template.Must(template.New("ended").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>{{.}}</title>` +
	`<body style="font:18px system-ui,sans-serif;text-align:center;padding-top:20vh;color:#e8eaed;background:#202124">{{.}}</body></html>`))

// refuseVisit is a page for people.
func refuseVisit(c *transport.Ctx, reason error) error {
	var text strings.Builder
	if err := endedPage.Execute(&text, "This link has expired, or was revoked."); err != nil {
		return reason
	}
	c.SetHeader("Cache-Control", "no-store")
	return c.Bytes(http.StatusNotFound, "text/html; charset=utf-8", []byte(text.String()))
}
