package ui

// What an app may know beside the methods of every one.
type (
	// pager has pages of its own, which the back button leaves one by one; false: it was at its first.
	pager interface{ back() bool }
	// stopper forgets what it kept in memory.
	stopper interface{ stopped() }
	// mover may never come to rest.
	mover interface{ restless() bool }
)

// turnBack lets the app in front go back by a page.
func (p *Phone) turnBack() bool {
	a, ok := p.front().(pager)
	return ok && a.back()
}

// Restless tells whether the screen changes all the time, so that who waits for it to rest waits in vain.
func (p *Phone) Restless() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.front().(mover)
	return ok && !p.asleep && !p.recents && a.restless()
}
