#!/usr/bin/perl
# What a user would write instead of kamonline, in Perl. Usage: online.pl RPC_URL REDIS_HOST:PORT
use strict;
use warnings;
use LWP::UserAgent;
use Redis;

my ($rpc, $server) = @ARGV;
my $redis = Redis->new(server => $server);
my %board = map { $_ => [$redis->smembers($_)] } $redis->keys('ONLINE:*');

my $page = LWP::UserAgent->new->get("$rpc/ul/ul.dump?arg=brief");
die $page->status_line unless $page->is_success;
my %online = map { $_ => 1 } $page->content =~ /\tAoR: (.*?)<br\/>/g;
die "Kamailio reports nobody\n" unless %online;

for my $key (keys %board) {
    my $domain = substr($key, length 'ONLINE:');
    my @stale = grep { !$online{"$_\@$domain"} } @{ $board{$key} };
    $redis->srem($key, @stale) if @stale;
}
