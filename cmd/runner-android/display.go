package main

import (
	"context"
	"encoding/json"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/proxy"
	"github.com/daytonaio/runner-android/proxy/frames"
	"github.com/daytonaio/runner-android/proxy/links"
	"github.com/daytonaio/runner-android/transport/lease"
)

// displays makes the door to the screens, and the links to it.
func displays(cfg configs.Config, a *App, leases *lease.Leases, device guest) (*proxy.Door, *proxy.Sharing) {
	door := proxy.New(leases, a.actors, a.operator, proxy.Options{
		ICEServers: json.RawMessage(cfg.Display.ICEServers.Reveal()), Wrap: cfg.Display.Connector == "operator",
		Frames: frames.New(device, frames.Options{Log: a.log}), Log: a.log,
	})
	sharing := door.Share(links.New(cfg.Token.Reveal(), linkStore{a.book}), a.url)
	return door, sharing
}

// linkStore lends the ledger to the book of display links.
type linkStore struct{ book *ledger.Ledger }

// Links implements links.Store.
func (s linkStore) Links(ctx context.Context, id sandbox.ID) ([]links.Link, error) {
	kept, err := s.book.DisplayLinks(ctx, id)
	var all []links.Link
	for _, l := range kept {
		all = append(all, links.Link{ID: l.ID, Sandbox: id, Label: l.Label, Created: l.Created, Expires: l.Expires})
	}
	return all, err
}

// SaveLinks implements links.Store.
func (s linkStore) SaveLinks(ctx context.Context, id sandbox.ID, all []links.Link) error {
	kept := []ledger.DisplayLink{}
	for _, l := range all {
		kept = append(kept, ledger.DisplayLink{ID: l.ID, Label: l.Label, Created: l.Created, Expires: l.Expires})
	}
	return s.book.SaveDisplayLinks(ctx, id, kept)
}

// Sandboxes implements links.Store.
func (s linkStore) Sandboxes(ctx context.Context) ([]sandbox.ID, error) {
	return s.book.WithDisplayLinks(ctx)
}
