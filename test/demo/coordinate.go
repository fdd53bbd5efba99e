package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// coordinator does what the user's script does: it puts copytrigger's steps around the
// application's quiesce and unquiesce.
type coordinator struct {
	story     *story
	app       application
	processes *runner // with KUBECONFIG
	binary    string
	runID     string
}

// coordinated is what came of it.
type coordinated struct {
	freeze  freeze // without what only VolSync and the storage know
	bounds  bounds // what a copy of the freeze has to have
	refused int    // attempts to write in it
}

// run is the script. However it ends, the application runs again, and no trigger stays
// armed that VolSync could take later.
func (c *coordinator) run(ctx context.Context) (done coordinated, err error) {
	results, err := c.step(ctx, "await-waiting", "--run-id", c.runID, "--timeout", "5m")
	if err != nil {
		return done, err
	}
	trigger, ok := results["trigger"].(string)
	if !ok {
		return done, errors.New("running copytrigger await-waiting: no result \"trigger\"")
	}
	before := c.app.written().refusals()
	done.freeze.began = time.Now()
	err = c.frozen(ctx, trigger, &done)
	// What follows must be done, Ctrl-C or not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	if err != nil {
		c.story.event(red, "", "failed: "+err.Error())
		_, disarmed := c.step(ctx, "disarm", "--run-id", c.runID)
		err = errors.Join(err, disarmed)
	}
	done.freeze.thawing = time.Now()
	if thawed := c.app.unquiesce(ctx); thawed != nil {
		return done, errors.Join(err, fmt.Errorf("unquiescing the application: %w", thawed))
	}
	done.freeze.thawed = time.Now()
	c.story.tell("application", "running again")
	done.refused = c.app.written().refusals() - before
	_, unlocked := c.step(ctx, "unlock", "--run-id", c.runID)
	return done, errors.Join(err, unlocked)
}

// frozen is the part of the script with the application at rest.
func (c *coordinator) frozen(ctx context.Context, trigger string, done *coordinated) error {
	if err := c.app.quiesce(ctx); err != nil {
		return fmt.Errorf("quiescing the application: %w", err)
	}
	done.freeze.quiesced = time.Now()
	done.bounds = c.app.written().now()
	c.story.tell("application", "at rest")
	if _, err := c.step(ctx, "fire-trigger", "--trigger", trigger); err != nil {
		return err
	}
	_, err := c.step(ctx, "await-completed", "--trigger", trigger, "--timeout", "5m")
	return err
}

// step runs one command of copytrigger, shows it and what it says, and returns its results.
func (c *coordinator) step(ctx context.Context, name string, flags ...string) (map[string]any, error) {
	args := append([]string{name, "-n", namespace, "--pvc", claim}, flags...)
	c.story.command(append([]string{"copytrigger"}, args...)...)
	cmd := c.processes.command(ctx, c.binary, args...)
	var stdout bytes.Buffer
	stderr := c.story.lines("copytrigger")
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	err := c.processes.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	stderr.flush()
	if text := strings.TrimSpace(stdout.String()); text != "" {
		c.story.event(plain, "copytrigger", "> "+text)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("running copytrigger %s: exit code %d", name, exit.ExitCode())
	}
	if err != nil {
		return nil, fmt.Errorf("running copytrigger %s: %w", name, err)
	}
	var results map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &results); err != nil {
		return nil, fmt.Errorf("reading the results of copytrigger %s: %w", name, err)
	}
	return results, nil
}
