package health

import (
	"context"
	"fmt"
	"time"
)

// sampled is a sample with its time.
type sampled struct {
	SystemSample
	at time.Time
}

// start begins the rounds: one timer, whose goroutine ends with the round.
func (s *system) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off() || s.closed || s.timer != nil {
		return
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.rounds.Add(1)
	s.timer = time.AfterFunc(0, s.round)
}

// close ends the rounds. It waits for one that is under way, which is at most
// the timeout of a sample; what does not answer is left alone.
func (s *system) close() {
	s.mu.Lock()
	if !s.closed && s.timer != nil {
		s.cancel()
		if s.timer.Stop() {
			s.rounds.Done()
		}
	}
	s.closed = true
	s.mu.Unlock()
	s.rounds.Wait()
}

// round takes one sample and sets the next, which comes a whole interval after
// the end of this one: a window cut short counts processors badly.
func (s *system) round() {
	defer s.rounds.Done()
	s.ask()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
	if !s.closed {
		s.rounds.Add(1)
		s.timer.Reset(s.Interval)
	}
}

// ask asks both sources at a time, so that one that hangs takes nothing from the
// other.
func (s *system) ask() {
	wait, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	var sample *reply[sampled]
	if s.Source.Sample != nil {
		ctx, cancel := context.WithTimeout(s.ctx, s.Timeout)
		defer cancel()
		sample = s.sample.ask(func() (sampled, error) {
			at := time.Now()
			v, err := s.Source.Sample(ctx)
			return sampled{v, at}, err
		})
	}
	var disk *reply[DiskSpace]
	if s.Source.Disk != nil {
		disk = s.disk.ask(func() (DiskSpace, error) { return s.Source.Disk(s.Path) })
	}
	if sample != nil {
		v, err := sample.wait(wait)
		s.take(v, inSystem(err))
	}
	if disk != nil {
		v, err := disk.wait(wait)
		s.takeSpace(v, inSystem(err))
	}
}

func inSystem(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("health: system: %w", err)
}

// lifetime is for how long a sample is believed. It covers one that failed, and
// a round that was late.
func (s *system) lifetime() time.Duration { return 2*s.Interval + s.Timeout }

// take makes measures of a sample. One that came with an error counts for what
// it holds, and leaves the rest as it was, to grow old.
func (s *system) take(v sampled, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update(ofCPU, v.at, v.cpuKnown(), err, func() measure { return s.cpuMeasure(v) })
	s.update(ofMemory, v.at, v.memoryKnown(), err, func() measure { return v.memoryMeasure() })
	s.update(ofPressure, v.at, len(v.Pressure) > 0, err, func() measure { return measure{facts: v.pressureFacts("io")} })
}

func (s *system) takeSpace(v DiskSpace, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update(ofDisk, time.Now(), false, err, func() measure { return v.measure() })
}

// update replaces a measure, unless there is an error instead of it.
func (s *system) update(k kind, at time.Time, known bool, err error, next func() measure) {
	if err != nil && !known {
		s.measures[k].err = err
		return
	}
	m := next()
	m.at = at
	s.measures[k] = m
}
