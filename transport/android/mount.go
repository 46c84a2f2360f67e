package android

import (
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox"
)

// Mount adds route tables wherever Android's routes are served. Their paths begin behind the sandbox's id.
func Mount(s *transport.Server, tables ...[]transport.Route) {
	for _, routes := range tables {
		s.Mount("/sandboxes/{id}", routes)
	}
	toolbox.Mount(s, tables...)
}
