package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

type options struct {
	host         string
	port         int
	defaultMS    int
	distribution string
	seed         uint64
	errorRate    float64
	log          string
}

// parseOptions reads every value as text first: package flag would accept 0x10 and 1_000 as numbers.
func parseOptions(args []string) (options, error) {
	set := flag.NewFlagSet("slow-upstream", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	host := set.String("host", "127.0.0.1", "address to listen on")
	port := set.String("port", "8090", "port to listen on; 0: the OS picks one")
	defaultMS := set.String("default-ms", "1000", "mean wait in milliseconds without waitms")
	distribution := set.String("distribution", "constant", strings.Join(distributionNames, "|"))
	seed := set.String("seed", "1", "same seed, same waits")
	errorRate := set.String("error-rate", "0.0", "fraction of planned 500s, 0 to 1")
	log := set.String("log", "", "CSV `FILE`, overwritten")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			set.SetOutput(os.Stdout)
			set.PrintDefaults()
			return options{}, err
		}
		return options{}, problem{err.Error(), wrongUse}
	}
	if set.NArg() > 0 {
		return options{}, problem{"unexpected argument: " + quoteValue(set.Arg(0), 200), wrongUse}
	}

	var wrong []string
	whole := func(name, text string, highest uint64) uint64 {
		value, err := parseWholeNumber(text, highest)
		wrong = appendError(wrong, name, err)
		return value
	}
	opts := options{host: *host, distribution: *distribution, log: *log}
	set.Visit(func(given *flag.Flag) {
		// An empty host would listen on every interface.
		if (given.Name == "host" || given.Name == "log") && given.Value.String() == "" {
			wrong = appendError(wrong, given.Name, errors.New("must not be empty"))
		}
	})
	opts.port = int(whole("port", *port, 65_535))
	opts.defaultMS = int(whole("default-ms", *defaultMS, maxWaitMS))
	if _, known := distributions[*distribution]; !known {
		wrong = appendError(wrong, "distribution", fmt.Errorf("must be one of %s, not %s",
			strings.Join(distributionNames, ", "), quoteValue(*distribution, shownCharacters)))
	}
	opts.seed = whole("seed", *seed, math.MaxInt64)
	var err error
	opts.errorRate, err = parseFraction(*errorRate)
	wrong = appendError(wrong, "error-rate", err)
	if len(wrong) > 0 {
		return options{}, problem{wrong[0], wrongUse}
	}
	return opts, nil
}

func appendError(wrong []string, name string, err error) []string {
	if err == nil {
		return wrong
	}
	return append(wrong, fmt.Sprintf("--%s: %v", name, err))
}
