package operator

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"path"
	"strings"
)

//go:embed static/index.html
var indexPage []byte

//go:embed intercept/js/server_connector.js
var connector []byte

// infraConfig is compiled in.
const infraConfig = `{"message_type":"config","ice_servers":[{"urls":["stun:stun.l.google.com:19302"]}]}`

// ServeHTTP answers one request. Whatever matches no route with its method is a static file, or 404.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		h.desk(w, r)
		return
	}
	h.seen.add(r)
	if clean := cleanPath(r.URL.Path); clean != r.URL.Path {
		u := *r.URL
		u.Path = clean
		http.Redirect(w, r, u.String(), http.StatusMovedPermanently)
		return
	}
	parts := strings.Split(r.URL.Path[1:], "/")
	switch {
	case r.URL.Path == "/infra_config" && r.Method == http.MethodGet:
		h.pause(r, "")
		answer(w, json.RawMessage(infraConfig))
	case r.URL.Path == "/devices" && r.Method == http.MethodGet:
		h.pause(r, "")
		h.listDevices(w, r)
	case parts[0] == "devices" && len(parts) > 1 && parts[1] != "":
		h.pause(r, parts[1])
		h.routeDevice(w, r, parts[1], parts[2:])
	case parts[0] == "polled_connections":
		h.routePolled(w, r, parts[1:])
	case r.URL.Path == "/" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(indexPage) // a client that is gone learns nothing
	default:
		http.NotFound(w, r)
	}
}

// cleanPath is the path without dots and double slashes; a slash at its end stays.
func cleanPath(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// routeDevice answers what lies below /devices/{id}.
func (h *Hub) routeDevice(w http.ResponseWriter, r *http.Request, id string, rest []string) {
	get := r.Method == http.MethodGet
	switch {
	case len(rest) == 0 && get:
		h.describe(w, r, id)
	case len(rest) == 1 && rest[0] == "connect" && get && !h.pollingOnly():
		h.connect(w, r, id)
	case len(rest) == 1 && rest[0] == "adb" && get:
		h.adb(w, r, id)
	case len(rest) > 1 && rest[0] == "files" && rest[1] != "" && get:
		h.file(w, r, id, "/"+strings.Join(rest[1:], "/"))
	case len(rest) > 1 && rest[0] == "openwrt" && (get || r.Method == http.MethodPost):
		h.openWRT(w, r, id, strings.Join(rest[1:], "/"))
	default: // services are not simulated: no device here has the socket that they need
		http.NotFound(w, r)
	}
}

// answer sends a JSON body and the newline of Go's encoder.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	_ = encoder.Encode(v) // a client that is gone learns nothing
}

// entry is a device in the list.
type entry struct {
	ID      string `json:"device_id"`
	Group   string `json:"group_name"`
	Owner   string `json:"owner,omitempty"`
	Name    string `json:"name,omitempty"`
	ADBPort int    `json:"adb_port"`
}

func (d *device) entry() entry { return entry{d.ID, d.group, d.owner, d.name, d.adbPort} }

// listDevices answers in the form of the operator's version.
func (h *Hub) listDevices(w http.ResponseWriter, r *http.Request) {
	group, owner := r.URL.Query().Get("groupId"), r.URL.Query().Get("owner")
	list := []any{}
	v := h.options.Version
	for _, d := range h.list() {
		switch {
		case group != "" && d.group != group, owner != "" && d.owner != owner && v.AtLeast(1, 18):
		case v.AtLeast(0, 10), v.AtLeast(0, 9) && v.Patch > 30:
			list = append(list, d.entry())
		case v.AtLeast(0, 9) && v.Patch > 27:
			list = append(list, map[string]string{"device_id": d.ID, "group_id": d.group})
		default:
			list = append(list, d.ID)
		}
	}
	answer(w, list)
}

func (h *Hub) describe(w http.ResponseWriter, r *http.Request, id string) {
	d := h.device(id)
	if d == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, struct {
		entry
		Info json.RawMessage `json:"registration_info"`
	}{d.entry(), d.Info})
}
