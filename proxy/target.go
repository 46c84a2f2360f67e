package proxy

import (
	"net/url"
	"strings"
)

// kind is what a path of the browser stands for.
type kind int

const (
	closed     kind = iota // nothing that is served here
	page                   // the page itself
	file                   // a file of the page
	connector              // our own js/server_connector.js
	original               // the operator's, beside ours
	infra                  // /infra_config
	signalling             // the WebSocket
	polledOpen
	polledSend
	polledRead
	status // our own: how the display is
	frames // our own: the screen over a WebSocket
	asset  // our own: a script
)

// target is what a path stands for. Names are decoded.
type target struct {
	kind kind
	name string // of a file or an asset, without a slash in front; of the device of a signalling
	conn string // of a polled connection
}

// own is where our own files and sockets are, which no page of Cuttlefish has.
const own = "daytona-display/"

// pages are the names of the page: vnc.html is what Daytona's dashboard opens on this port.
var pages = map[string]bool{"": true, "client.html": true, "index.html": true, "vnc.html": true}

// targetOf reads a path as it was sent, without the slash in front. What is encoded in a way that could be taken
// for something else further on is closed.
func targetOf(raw string) target {
	path, err := url.PathUnescape(raw)
	if err != nil || strings.ContainsAny(path, "\\\x00\r\n") {
		return target{}
	}
	path, slashed := strings.CutSuffix(path, "/")
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." || part == "" && path != "" {
			return target{}
		}
	}
	switch first, rest, _ := strings.Cut(path, "/"); {
	case pages[path] && slashed && path != "": // its files would be beside something else
		return target{}
	case pages[path]:
		return target{kind: page}
	case path == "js/server_connector.js":
		return target{kind: connector}
	case path == "js/server_connector.operator.js":
		return target{kind: original}
	case path == "infra_config":
		return target{kind: infra}
	case first == "devices":
		return signallingOf(rest)
	case first == "polled_connections":
		return polledOf(rest)
	case strings.HasPrefix(path+"/", own):
		return ownOf(strings.TrimPrefix(path, own))
	}
	return target{kind: file, name: path}
}

func signallingOf(rest string) target {
	if id, what, _ := strings.Cut(rest, "/"); what == "connect" && id != "" {
		return target{kind: signalling, name: id}
	}
	return target{}
}

func polledOf(rest string) target {
	conn, what, _ := strings.Cut(rest, "/")
	switch {
	case rest == "":
		return target{kind: polledOpen}
	case conn == "":
	case what == ":forward":
		return target{kind: polledSend, conn: conn}
	case what == "messages":
		return target{kind: polledRead, conn: conn}
	}
	return target{}
}

func ownOf(name string) target {
	switch name {
	case "status":
		return target{kind: status}
	case "frames":
		return target{kind: frames}
	}
	if _, ok := assets[name]; ok {
		return target{kind: asset, name: name}
	}
	return target{}
}
