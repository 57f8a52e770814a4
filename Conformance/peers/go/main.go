// SPDX-License-Identifier: Apache-2.0

// The Go peer: golang.org/x/time/rate and golang.org/x/sync, as Debian packages them. Prints one JSON object a line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

type result struct {
	Scenario string   `json:"scenario"`
	Library  string   `json:"library"`
	Version  string   `json:"version"`
	Verdict  string   `json:"verdict"`
	Figure   *float64 `json:"figure"`
	Unit     *string  `json:"unit"`
	Note     string   `json:"note"`
}

func report(scenario string, pass bool, figure float64, unit, note string) {
	row := result{Scenario: scenario, Library: "Go x/", Version: os.Getenv("CONFORMANCE_VERSION"), Verdict: "fail", Note: note}
	if pass {
		row.Verdict = "pass"
	}
	if unit != "" {
		row.Figure, row.Unit = &figure, &unit
	}
	if err := json.NewEncoder(os.Stdout).Encode(row); err != nil {
		panic(err)
	}
}

// The instants, from a made-up start, at which an offer of calls was let through: AllowN takes the time it is told.
func offer(limiter *rate.Limiter, start time.Time, at, seconds float64) []time.Time {
	var through []time.Time
	for number := 0; number < int(seconds*1000+0.5); number++ {
		instant := start.Add(time.Duration(at*1e9) + time.Duration(number)*time.Millisecond)
		if limiter.AllowN(instant, 1) {
			through = append(through, instant)
		}
	}
	return through
}

// Seconds to a tenth: these run in real time.
func tenths(took time.Duration) float64 {
	return math.Round(took.Seconds()*10) / 10
}

func limiterAccuracy() {
	count := len(offer(rate.NewLimiter(100, 100), time.Now(), 0, 10))
	ratio := float64(count) / 1000
	report("limiter-accuracy", ratio >= 0.95 && ratio <= 1.10, ratio, "× ideal",
		fmt.Sprintf("%d calls let through in 10 s, a burst of 100 allowed; ideal 1000", count))
}

func limiterWorstWindow() {
	limiter, start := rate.NewLimiter(100, 100), time.Now()
	var through []time.Time
	for _, phase := range [][2]float64{{5, 0.001}, {5.9, 3}, {13, 0.001}, {13.9, 3}} {
		through = append(through, offer(limiter, start, phase[0], phase[1])...)
	}
	worst := 0
	for i := range through {
		end := i
		for end < len(through) && through[end].Sub(through[i]) < time.Second-time.Microsecond {
			end++
		}
		if end-i > worst {
			worst = end - i
		}
	}
	report("limiter-worst-window", worst <= 200, float64(worst)/100, "× limit",
		fmt.Sprintf("%d calls within one second at 100 per 1 s (bucket, 2.0 allowed)", worst))
}

func limiterHang() {
	limiter, start := rate.NewLimiter(10, 2), time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for i := 0; i < 5; i++ {
		group.Go(func() error { return limiter.Wait(ctx) })
	}
	err := group.Wait()
	took := tenths(time.Since(start))
	report("limiter-hang", err == nil, took, "s", fmt.Sprintf("5 calls at 2 per 0.2 s had finished after %.1f s", took))
}

func limiterPerCall() {
	limiter, ran := rate.NewLimiter(rate.Every(5*time.Second), 1), 0
	for i := 0; i < 20; i++ {
		if limiter.Allow() {
			ran++
		}
	}
	report("limiter-per-call", ran == 1, float64(ran), "calls", fmt.Sprintf("%d of 20 calls at 1 per 5 s ran at once", ran))
}

func limiterCancelledWaiter() {
	limiter, start := rate.NewLimiter(1, 1), time.Now()
	background := context.Background()
	if err := limiter.Wait(background); err != nil {
		panic(err)
	}
	waiter, cancel := context.WithCancel(background)
	go func() { _ = limiter.Wait(waiter) }()
	time.Sleep(100 * time.Millisecond)
	following := make(chan float64)
	go func() {
		_ = limiter.Wait(background)
		following <- tenths(time.Since(start))
	}()
	time.Sleep(400 * time.Millisecond)
	cancel()
	took := <-following
	report("limiter-cancelled-waiter", took <= 1.2, took, "s",
		fmt.Sprintf("at 1 per 1 s, behind a waiter cancelled at 0.5 s, the following call ran at %.1f s", took))
}

func gatherFailure() {
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(5)
	var running, begun int64
	for number := 0; number < 100; number++ {
		number := number
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			atomic.AddInt64(&begun, 1)
			atomic.AddInt64(&running, 1)
			defer atomic.AddInt64(&running, -1)
			delay := 20 * time.Millisecond
			if number == 2 {
				delay = 5 * time.Millisecond
			}
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return ctx.Err()
			}
			if number == 2 {
				return errors.New("item 3")
			}
			return nil
		})
	}
	err := group.Wait()
	left, before := atomic.LoadInt64(&running), atomic.LoadInt64(&begun)
	time.Sleep(100 * time.Millisecond)
	later := atomic.LoadInt64(&begun) - before
	report("gather-failure", err != nil && left == 0 && later == 0, float64(left+later), "items",
		fmt.Sprintf("%d items running when the error surfaced, %d more begun after it", left, later))
}

func bulkheadCancel() {
	places, random := semaphore.NewWeighted(10), rand.New(rand.NewSource(1))
	var group sync.WaitGroup
	for i := 0; i < 2000; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		if i%2 == 1 {
			time.AfterFunc(time.Duration(random.Float64()*float64(40*time.Millisecond)), cancel)
		}
		work := time.Duration(random.Float64() * float64(20*time.Millisecond))
		group.Add(1)
		go func() {
			defer group.Done()
			defer cancel()
			if places.Acquire(ctx, 1) != nil {
				return
			}
			defer places.Release(1)
			select {
			case <-time.After(work):
			case <-ctx.Done():
			}
		}()
	}
	group.Wait()
	free := 0
	for places.TryAcquire(1) {
		free++
	}
	report("bulkhead-cancel", free == 10, 0, "", fmt.Sprintf("after 1,000 random cancels %d of 10 places were free", free))
}

func singleFlightLeaderCancelled() {
	var flights singleflight.Group
	var group sync.WaitGroup
	lost := int64(0)
	get := func(ctx context.Context) (interface{}, error) {
		value, err, _ := flights.Do("a", func() (interface{}, error) {
			select {
			case <-time.After(300 * time.Millisecond):
				return "value", nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		return value, err
	}
	leader, cancel := context.WithCancel(context.Background())
	go func() { _, _ = get(leader) }()
	time.Sleep(50 * time.Millisecond)
	for i := 0; i < 5; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := get(context.Background()); err != nil {
				atomic.AddInt64(&lost, 1)
			}
		}()
	}
	time.Sleep(50 * time.Millisecond)
	cancel()
	group.Wait()
	report("single-flight-leader-cancelled", lost == 0, float64(lost), "followers",
		fmt.Sprintf("%d of 5 followers got no value: the work runs with the leader's context, and its error is everyone's", lost))
}

func main() {
	limiterAccuracy()
	limiterWorstWindow()
	limiterHang()
	limiterPerCall()
	limiterCancelledWaiter()
	gatherFailure()
	bulkheadCancel()
	singleFlightLeaderCancelled()
}
