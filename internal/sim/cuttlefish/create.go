package cuttlefish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// creation is what create's own flags say.
type creation struct {
	host, product string
	number        int // 0 = any
	start         bool
	reuse         bool
	launchFlags   []string
}

func (c *cli) parseCreate(inv invocation) (creation, error) {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	cr := creation{start: true}
	text := map[string]*string{"host_path": &cr.host, "product_path": &cr.product}
	for name, target := range text {
		v, ok, err := flags.value(name)
		if err != nil {
			return cr, err
		}
		if ok {
			*target = v
		}
	}
	if _, ok, err := flags.value("config_file"); ok || err != nil {
		return cr, errors.Join(errors.New("--config_file is not part of the simulated host"), err)
	}
	if v, ok, err := flags.value("num_instances"); err != nil || ok && v != "1" {
		return cr, errors.Join(errors.New("the simulated host has one instance per group"), err)
	}
	v, ok, err := flags.value("instance_nums", "base_instance_num")
	if err != nil {
		return cr, err
	}
	if ok {
		if cr.number, err = strconv.Atoi(v); err != nil || cr.number < 1 {
			return cr, fmt.Errorf("instance number %q: want one positive number", v)
		}
	} else if n, err := strconv.Atoi(os.Getenv("CUTTLEFISH_INSTANCE")); err == nil && !c.root.CVD.AtLeast(1, 54) {
		cr.number = n
	}
	if cr.start, err = flags.truth("start", true); err != nil {
		return cr, err
	}
	if c.root.CVD.AtLeast(1, 56) {
		if cr.reuse, err = flags.truth("reuse", false); err != nil {
			return cr, err
		}
	}
	daemon, err := flags.truth("daemon", true)
	if err != nil {
		return cr, err
	}
	if !daemon && !c.root.CVD.AtLeast(1, 56) {
		return cr, errors.New("--daemon=false is not supported")
	}
	cr.launchFlags = flags.rest
	cr.host = firstPath(cr.host, "ANDROID_HOST_OUT", "ANDROID_SOONG_HOST_OUT", "HOME")
	cr.product = firstPath(cr.product, "ANDROID_PRODUCT_OUT", "HOME")
	return cr, nil
}

// firstPath is the given path, else the first variable that is set, else the working directory.
func firstPath(path string, variables ...string) string {
	for _, name := range variables {
		if path == "" {
			path = os.Getenv(name)
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

func (c *cli) create(inv invocation) error {
	cr, err := c.parseCreate(inv)
	if err != nil {
		return err
	}
	if len(inv.instances) > 1 {
		return errors.New("the simulated host has one instance per group")
	}
	if _, err := os.Stat(filepath.Join(cr.host, "bin", "cvd_internal_start")); err != nil {
		return simroot.Saidf("Could not find the required host tools to launch a device: %w", err)
	}
	g, err := c.takeGroup(inv, cr)
	if err != nil {
		return err
	}
	if !cr.start {
		return nil
	}
	return c.launch(g, cr.launchFlags)
}

// takeGroup makes the group, or where cvd does so uses the one that exists.
func (c *cli) takeGroup(inv invocation, cr creation) (instancedb.Group, error) {
	data, err := c.db.Read()
	if err != nil {
		return instancedb.Group{}, err
	}
	if g := data.Group(inv.group); g != nil {
		if c.root.CVD.AtLeast(1, 54) && !cr.reuse {
			return instancedb.Group{}, simroot.Saidf("Group named '%s' already exists", inv.group)
		}
		// Up to 1.53 the group is used as it is, and its state overwritten even if it runs.
		err := c.change(g.Name, func(g *instancedb.Group) { g.SetStates(instancedb.Stopped) })
		return *g, err
	}
	lock, err := c.takeNumber(cr.number)
	if err != nil {
		return instancedb.Group{}, fmt.Errorf("lock an instance number: %w", err)
	}
	defer lock.Close()
	home, err := c.makeGroupDir(cr.host, cr.product)
	if err != nil {
		return instancedb.Group{}, err
	}
	g, err := c.insert(inv, cr, lock.Number, home)
	if err != nil {
		return instancedb.Group{}, err // the group's directory stays behind, as upstream
	}
	return g, lock.MarkInUse()
}

func (c *cli) takeNumber(n int) (*instancedb.Lock, error) {
	locks := c.locks
	if c.faults.Has("lock_permission") {
		locks = locks.Foreign()
	}
	if n > 0 {
		return locks.Take(n)
	}
	return locks.TakeFree(c.root.Settings.Accounts)
}

// insert puts the group into the database.
func (c *cli) insert(inv invocation, cr creation, number int, home string) (instancedb.Group, error) {
	var g instancedb.Group
	err := c.db.Update(func(d *instancedb.Data) error {
		if group, instance, ok := d.Owner(number); ok {
			return simroot.Saidf("New instance conflicts with existing instance: %s/%s with id %d", group, instance, number)
		}
		name := inv.group
		for i := 1; name == ""; i++ {
			if candidate := fmt.Sprintf("cvd_%d", i); d.Group(candidate) == nil {
				name = candidate
			}
		}
		if d.Group(name) != nil { // another cvd was faster
			return simroot.Saidf("Group named '%s' already exists", name)
		}
		instance := strconv.Itoa(number)
		if len(inv.instances) == 1 {
			instance = inv.instances[0]
		}
		g = instancedb.Group{
			Name: name, Home: home, HostPath: cr.host, ProductPath: cr.product,
			Instances: []instancedb.Instance{{ID: number, Name: instance, State: instancedb.Stopped}},
		}
		d.Groups = append(d.Groups, g)
		return nil
	})
	return g, err
}

func (c *cli) start(inv invocation) error {
	g, err := c.selected(inv)
	if err != nil {
		return err
	}
	if g.Active() {
		return simroot.Saidf("Selected instance group is already started, use `cvd create` to create a new one.")
	}
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	for _, name := range []string{"instance_nums", "num_instances", "base_instance_num", "host_path", "product_path"} {
		if _, _, err := flags.value(name); err != nil {
			return err
		}
	}
	if _, err := flags.truth("daemon", true); err != nil {
		return err
	}
	return c.launch(g, flags.rest)
}
