# Draws the table of the benchmark. Usage: gnuplot -c plot.gp TABLE.md PICTURE.svg "'CONTENDER' 'CONTENDER'" DOMAINS
set terminal svg size 1100,480 background "white" font "sans-serif,13"
set output ARG2
set datafile separator "|"
set datafile missing "NaN"
set multiplot layout 1,2
set logscale xy
set format x "%.0s%c"
set grid
set key right bottom
set autoscale xfix
set xlabel "users"
of(name, column) = strcol(2) eq sprintf("%s ", name) && $4 == ARG4 + 0 ? column : NaN

set ylabel "seconds"
plot for [i = 1:words(ARG3)] ARG1 using (of(word(ARG3, i), $3)):(of(word(ARG3, i), $5 / 1000)) with linespoints title word(ARG3, i)
set ylabel "peak memory, MB"
plot for [i = 1:words(ARG3)] ARG1 using (of(word(ARG3, i), $3)):(of(word(ARG3, i), $8)) with linespoints notitle
