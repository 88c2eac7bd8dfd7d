package main

import (
	"math"
	"math/rand/v2"
	"sync"
)

const (
	lognormalSigma = 0.5
	// Far out in the tail (6.2 sigma): it bounds a wait without changing the mean.
	lognormalCap = 20.0
)

var distributionNames = []string{"constant", "uniform", "lognormal", "bimodal"}

// Each draws a factor with mean 1; the wait is the factor times the mean that a request asks for.
var distributions = map[string]func(*rand.Rand) float64{
	"constant": func(*rand.Rand) float64 { return 1 },
	"uniform":  func(rng *rand.Rand) float64 { return 0.5 + rng.Float64() },
	"lognormal": func(rng *rand.Rand) float64 {
		// exp(N(mu, sigma)) has the mean exp(mu + sigma²/2), which is 1 for this mu.
		mu := -lognormalSigma * lognormalSigma / 2
		return min(math.Exp(mu+lognormalSigma*rng.NormFloat64()), lognormalCap)
	},
	// 0.9 × 0.5 + 0.1 × 5.5 = 1.
	"bimodal": func(rng *rand.Rand) float64 {
		if rng.Float64() < 0.9 {
			return 0.5
		}
		return 5.5
	},
}

// responsePlanner plans the wait and the failure of each request in order of arrival.
type responsePlanner struct {
	mutex     sync.Mutex
	factor    func(*rand.Rand) float64
	errorRate float64
	// Two streams, so that the error rate does not change the sequence of waits.
	waits, errors *rand.Rand
}

func newResponsePlanner(opts options) *responsePlanner {
	return &responsePlanner{
		factor:    distributions[opts.distribution],
		errorRate: opts.errorRate,
		waits:     rand.New(rand.NewPCG(opts.seed, 1)),
		errors:    rand.New(rand.NewPCG(opts.seed, 2)),
	}
}

// planResponse rounds halves to even, as Python does.
func (p *responsePlanner) planResponse(meanMS int) (askedMS int, fails bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	askedMS = int(math.RoundToEven(float64(meanMS) * p.factor(p.waits)))
	return askedMS, p.errors.Float64() < p.errorRate
}
