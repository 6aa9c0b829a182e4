//! Who is stale and who is missing, found by comparing everyone with everyone.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use kamonline::failure::Failure;
use kamonline::matching::{
    AorDomain, DumpItem, DumpMatcher, DumpVisitor, Entry, ExcludedUsers, Matches, MemberId, Plan,
    Readings, Rules, Scope, Sets, UserCase,
};

use super::Item;

pub const PREFIX: &[u8] = b"ONLINE:";

type Bytes = Vec<u8>;
/// Key and member, or domain and user.
type Pairs = BTreeSet<(Bytes, Bytes)>;

/// What Redis and Kamailio hold, and how they are to be matched.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    pub case_counts: bool,
    pub aor_domain: AorDomain,
    pub tables: Vec<String>,
    pub excluded: Vec<String>,
    pub excluded_users: Vec<Bytes>,
    /// The members of each key.
    pub redis: BTreeMap<Bytes, BTreeSet<Bytes>>,
    /// What each registrar's dump tells.
    pub registrars: Vec<Vec<Item>>,
}

/// kamonline's plan is the plain one.
pub fn check(input: &[u8]) {
    let scenario = Scenario::parse(input);
    match scenario.plan() {
        Ok(plan) => scenario.compare(&plan),
        Err(_) => assert!(scenario.is_unusable()),
    }
}

impl Scenario {
    /// A line each: `cX` the case counts, `dX` default domain, `i` domains are ignored, `tX` a table that counts, `xX` an excluded domain, `uX` an
    /// excluded user, `kX` a key of a domain, `mX` a member of it, `r` another registrar, `TX` a table of it, `aX` an AoR in it.
    pub fn parse(input: &[u8]) -> Self {
        let mut scenario = Scenario {
            registrars: vec![Vec::new()],
            ..Scenario::default()
        };
        let mut key = PREFIX.to_vec();
        for line in input.split(|byte| *byte == b'\n') {
            let (kind, rest) = line.split_first().unwrap_or((&b' ', b""));
            let text = || String::from_utf8_lossy(rest).into_owned();
            let registrar = scenario.registrars.last_mut().unwrap();
            match kind {
                b'c' => scenario.case_counts = true,
                b'd' => scenario.aor_domain = AorDomain::Default(rest.to_ascii_lowercase()),
                b'i' => scenario.aor_domain = AorDomain::Ignored,
                b't' => scenario.tables.push(text()),
                b'x' => scenario.excluded.push(text()),
                b'u' => scenario.excluded_users.push(rest.to_vec()),
                b'k' => {
                    key = [PREFIX, rest].concat();
                    scenario.redis.entry(key.clone()).or_default();
                }
                b'm' => {
                    let members = scenario.redis.entry(key.clone()).or_default();
                    members.insert(rest.to_vec());
                }
                b'r' => scenario.registrars.push(Vec::new()),
                b'T' => registrar.push(Item::Table(rest.to_vec())),
                b'a' => registrar.push(Item::Aor(rest.to_vec())),
                _ => {}
            }
        }
        scenario
    }

    fn rules(&self) -> Result<Rules, Failure> {
        let escaped = self.excluded.iter().map(|name| regex::escape(name));
        let user_case = match self.case_counts {
            true => UserCase::Counts,
            false => UserCase::Ignored,
        };
        Ok(Rules {
            user_case,
            prefix: PREFIX.to_vec(),
            scope: Scope::new(&[], &escaped.collect::<Vec<_>>())?,
            excluded: ExcludedUsers::new(&self.patterns(), user_case)?,
            aor_domain: self.aor_domain.clone(),
            tables: self.tables.clone(),
        })
    }

    /// kamonline's own, from the same Redis and Kamailio.
    pub fn plan(&self) -> Result<Plan, Failure> {
        let rules = self.rules()?;
        let mut sets = Sets::new(rules.user_case);
        for (key, members) in self.redis_in_scope() {
            let number = sets.add_key(key.clone(), &key[PREFIX.len()..])?;
            for member in members {
                sets.add_member(number, member)?;
            }
        }
        let united = self.look(&rules, &sets)?;
        let aors = self.registrars.iter().flat_map(|items| self.aors(items));
        let of_no_set = aors.filter(|aor| !aor.contains(&b'@') || aor.ends_with(b"@"));
        let of_no_set = of_no_set.filter(|aor| match &self.aor_domain {
            AorDomain::Own => true,
            AorDomain::Default(_) => false,
            AorDomain::Ignored => is_of_no_set(aor) && !self.stands(&(vec![], aor.to_vec())),
        });
        assert_eq!(united.unusable, of_no_set.count());
        Ok(Plan::new(&rules, sets, united))
    }

    /// Whom of those to be removed a later look at these registrars finds.
    pub fn returned(&self, plan: &Plan) -> Result<Pairs, Failure> {
        let rules = self.rules()?;
        let matches = self.look(&rules, &plan.sets)?;
        let mut readings = Readings::new(&rules, &plan.sets, &matches);
        let mut stale = plan.stale();
        stale.retain(|member| readings.is_online(*member));
        Ok(pairs(plan, &stale))
    }

    /// The same by the rule: they are registered as they stand, or under another reading but that of the case, for which
    /// no member stood when the sets were read.
    pub fn returned_by_the_rule(&self, stale: &Pairs, first: &Scenario) -> Pairs {
        let registered = self.registered();
        let is_own = |user: &(Bytes, Bytes), meant: &Pairs| {
            let is_it =
                |(domain, name): &(Bytes, Bytes)| *domain == user.0 && self.same(name, &user.1);
            let stands = match &self.aor_domain {
                AorDomain::Own if user.0.is_empty() => false,
                AorDomain::Ignored if is_of_no_set(&user.1) => {
                    stale.iter().any(|(key, member)| self.is(key, member, user))
                }
                _ => self.stands(user),
            };
            meant.iter().any(is_it) && !stands
        };
        let is_elsewhere = |key: &Bytes, name: &Bytes| {
            let stands = |(of, member): &&(Bytes, Bytes)| {
                self.stands_for(member, name) && self.is_online(of, member)
            };
            let mut standing = stale
                .iter()
                .filter(stands)
                .map(|(of, _)| lower(of))
                .peekable();
            standing.peek().is_some() && standing.all(|of| of != lower(key))
        };
        let is_of_other = |(domain, user): &(Bytes, Bytes)| {
            stale.iter().any(|(of, member)| {
                lower(of) == [PREFIX, domain].concat()
                    && self.stands_for(member, user)
                    && self.is_online(of, member)
            })
        };
        let returns = |(key, member): &&(Bytes, Bytes)| {
            let others = self.meant_of_other_domains(key, member, Look::Later);
            let meant = self.meant(key, member, Look::Later, &first.aliases(key));
            let of = key[PREFIX.len()..].to_ascii_lowercase();
            self.is_online(key, member)
                || registered.iter().any(|user| is_own(user, &meant))
                || others.iter().any(is_of_other)
                || self.aor_domain == AorDomain::Ignored
                    && longer_forms(&of, member)
                        .iter()
                        .any(|name| is_elsewhere(key, name))
        };
        stale.iter().filter(returns).cloned().collect()
    }

    fn look(&self, rules: &Rules, sets: &Sets) -> Result<Matches, Failure> {
        let mut united = Matches::nobody(sets);
        thread::scope(|threads| {
            for items in &self.registrars {
                let mut matcher = DumpMatcher::begin(rules, sets, threads);
                for item in items {
                    matcher.visit(match item {
                        Item::Table(name) => DumpItem::Table(name),
                        Item::Aor(aor) => DumpItem::Aor(aor),
                    })?;
                }
                united.unite(matcher.finish()?)?;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(united)
    }

    pub fn in_scope(&self, domain: &[u8]) -> bool {
        let is = |name: &String| name.as_bytes().eq_ignore_ascii_case(domain);
        let is_other = match &self.aor_domain {
            AorDomain::Default(own) => !own.eq_ignore_ascii_case(domain),
            AorDomain::Own | AorDomain::Ignored => false,
        };
        !self.excluded.iter().any(is) && !is_other
    }

    /// Each character by its number, an ASCII letter in both cases unless the case counts.
    fn patterns(&self) -> Vec<String> {
        let one = |c: char| match c.is_ascii_alphabetic() && !self.case_counts {
            true => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
            false => format!("\\x{{{:x}}}", c as u32),
        };
        let pattern = |user: &Bytes| {
            let letters = characters(user).chars().map(one).collect::<String>();
            format!("(?-i){letters}")
        };
        self.excluded_users.iter().map(pattern).collect()
    }

    /// Whether a member, or a user who would become one, is left alone.
    pub fn is_excluded(&self, name: &[u8]) -> bool {
        let forms = [characters(name), characters(&unescaped(name))];
        let mut excluded = self.excluded_users.iter().map(|user| characters(user));
        excluded.any(|user| {
            forms
                .iter()
                .any(|form| self.same(user.as_bytes(), form.as_bytes()))
        })
    }

    pub fn redis_in_scope(&self) -> impl Iterator<Item = (&Bytes, Vec<&Bytes>)> {
        let in_scope = |(key, _): &(&Bytes, _)| self.in_scope(&key[PREFIX.len()..]);
        let counted = |member: &&Bytes| !self.is_excluded(member);
        let redis = self.redis.iter().filter(in_scope);
        redis.map(move |(key, members)| (key, members.iter().filter(counted).collect()))
    }

    /// The AoRs of the tables that count.
    fn aors<'a>(&'a self, registrar: &'a [Item]) -> Vec<&'a Bytes> {
        let mut counts = false;
        let mut aors = Vec::new();
        for item in registrar {
            match item {
                Item::Table(name) => {
                    let wanted = |table: &String| table.as_bytes() == name;
                    counts = self.tables.is_empty() || self.tables.iter().any(wanted);
                }
                Item::Aor(aor) if counts => aors.push(aor),
                Item::Aor(_) => {}
            }
        }
        aors
    }

    /// Whether a registrar lacks a table, or the domains.
    pub fn is_unusable(&self) -> bool {
        self.registrars.iter().any(|registrar| {
            let has = |table: &String| registrar.contains(&Item::Table(table.clone().into()));
            let aors = self.aors(registrar);
            let bare = aors.iter().filter(|aor| !aor.contains(&b'@')).count();
            let holds_domain = |aor: &&&Bytes| aor.contains(&b'@') && !aor.ends_with(b"@");
            let with_domain: Vec<_> = aors.iter().filter(holds_domain).collect();
            let stands = |aor: &Bytes, domain: &Bytes| self.stands(&(domain.clone(), aor.clone()));
            !self.tables.iter().all(has)
                || match &self.aor_domain {
                    AorDomain::Own => bare > aors.len() - bare,
                    AorDomain::Default(domain) => {
                        with_domain.len() * 2 > aors.len()
                            && !with_domain.iter().any(|aor| stands(aor, domain))
                    }
                    AorDomain::Ignored => false,
                }
        })
    }

    /// Domain in lower case, and user, of everyone in scope who is registered; the whole AoR, of no domain, where domains are
    /// ignored.
    pub fn online(&self) -> Vec<(Bytes, Bytes)> {
        let registrars = self.registrars.iter();
        let aors = registrars.flat_map(|registrar| self.aors(registrar));
        let parts = aors.filter_map(|aor| match &self.aor_domain {
            AorDomain::Default(domain) => Some((domain.clone(), aor.clone())),
            AorDomain::Own => split(aor).filter(|(domain, _)| !domain.is_empty()),
            AorDomain::Ignored => Some((vec![], aor.clone())),
        });
        parts.filter(|(domain, _)| self.in_scope(domain)).collect()
    }

    fn same(&self, one: &[u8], other: &[u8]) -> bool {
        one == other || !self.case_counts && one.eq_ignore_ascii_case(other)
    }

    fn stands_for(&self, member: &[u8], name: &[u8]) -> bool {
        self.same(member, name) || self.same(&unescaped(member), name)
    }

    /// Whether a member of a key is this user of this domain.
    pub fn is(&self, key: &[u8], member: &[u8], user: &(Bytes, Bytes)) -> bool {
        let names = self.readings(key, user);
        names.iter().any(|name| self.stands_for(member, name))
    }

    /// The names of a user in the set of a key.
    fn readings(&self, key: &[u8], (domain, user): &(Bytes, Bytes)) -> Vec<Bytes> {
        let is_of = |domain: &[u8]| key[PREFIX.len()..].eq_ignore_ascii_case(domain);
        match &self.aor_domain {
            AorDomain::Ignored => {
                let part = split(user).filter(|(domain, _)| is_of(domain));
                let part = part.map(|(_, user)| user);
                [user.clone()].into_iter().chain(part).collect()
            }
            AorDomain::Own | AorDomain::Default(_) if is_of(domain) => vec![user.clone()],
            AorDomain::Own | AorDomain::Default(_) => vec![],
        }
    }

    /// Whether a member is this user.
    fn stands(&self, user: &(Bytes, Bytes)) -> bool {
        self.redis_in_scope()
            .any(|(key, members)| members.iter().any(|member| self.is(key, member, user)))
    }

    /// The users whom a member of a key may mean who is not online as they stand, each with the domain that they are of.
    fn meant(&self, key: &[u8], member: &[u8], look: Look, aliases: &BTreeSet<Bytes>) -> Pairs {
        let of = key[PREFIX.len()..].to_ascii_lowercase();
        let host = without_port(&of);
        let ignores = self.aor_domain == AorDomain::Ignored;
        let mut meant = Pairs::new();
        for uri in uris(member, look) {
            let users = users(&uri, |of| {
                self.aor_domain != AorDomain::Own || without_port(of) == host
            });
            let with = |domain: &[u8]| [&uri[..], b"@", domain].concat();
            let mut add = |domain: &Bytes, user: Bytes| meant.insert((domain.clone(), user));
            let of_no_set = vec![];
            for user in users {
                add(&of_no_set, user.clone());
                if !ignores {
                    add(&of, user.clone());
                    add(&host, user.clone());
                    aliases
                        .iter()
                        .for_each(|alias| _ = add(alias, user.clone()));
                }
            }
            add(&of_no_set, with(b""));
            add(&of_no_set, with(&host));
            aliases.iter().for_each(|alias| _ = add(alias, with(&host)));
            if ignores {
                add(&of_no_set, with(&of));
                continue;
            }
            // Of a later look, only where such users are.
            let is_default = matches!(self.aor_domain, AorDomain::Default(_));
            if look == Look::First || is_default {
                add(&of, with(&host));
            }
            if look == Look::First || is_default || of != host {
                add(&host, with(&host));
            }
        }
        meant.extend(self.meant_of_other_domains(key, member, look));
        meant
    }

    /// The missing users of other domains, in scope, whom members of a key's domain may mean who are not online, in any
    /// case; nobody, unless these members are more than those online and the users missing in the domain. And whether they
    /// are more than a tenth of those who are not online.
    fn namesakes(&self, key: &[u8]) -> (Pairs, bool) {
        let of = key[PREFIX.len()..].to_ascii_lowercase();
        let host = without_port(&of);
        let mut namesakes = Pairs::new();
        if self.aor_domain != AorDomain::Own || of.is_empty() {
            return (namesakes, false);
        }
        let sets = self.redis_in_scope();
        let members: Vec<(&Bytes, &Bytes)> = sets
            .filter(|(set, _)| lower(set) == lower(key))
            .flat_map(|(set, members)| members.into_iter().map(move |member| (set, member)))
            .collect();
        let is_online = |(set, member): &(&Bytes, &Bytes)| self.is_online(set, member);
        let (online, members): (Vec<_>, Vec<_>) = members.into_iter().partition(is_online);
        let mut meaning = BTreeSet::<&(&Bytes, &Bytes)>::new();
        for pair in self.registered() {
            let (other, user) = (&pair.0, pair.1.to_ascii_lowercase());
            let is_user = |(_, member): &(&Bytes, &Bytes)| {
                uris(member, Look::First).iter().any(|uri| {
                    let mut users = users(uri, |domain| without_port(domain) == host);
                    users.push([uri, &b"@"[..], &host].concat());
                    users.contains(&user)
                })
            };
            let is_other = !other.is_empty() && *other != of && *other != host;
            if !is_other || !self.in_scope(other) || self.stands(&pair) {
                continue;
            }
            let its: Vec<_> = members.iter().filter(|member| is_user(member)).collect();
            if !its.is_empty() {
                meaning.extend(its);
                namesakes.insert(pair);
            }
        }
        if meaning.len() <= online.len() + self.missing_of(&of).len() {
            namesakes.clear();
        }
        (namesakes, meaning.len() * 10 > members.len())
    }

    /// The users of a domain, each once, for whom no member stands.
    fn missing_of(&self, domain: &[u8]) -> Pairs {
        let mut missing = Pairs::new();
        for other in self.registered() {
            let is_it = |(_, name): &(Bytes, Bytes)| self.same(name, &other.1);
            if other.0 == domain && !missing.iter().any(is_it) && !self.stands(&other) {
                missing.insert(other);
            }
        }
        missing
    }

    /// The other names of a key's domain.
    pub fn aliases(&self, key: &[u8]) -> BTreeSet<Bytes> {
        let (namesakes, _) = self.namesakes(key);
        let mut aliases: BTreeSet<_> = namesakes.into_iter().map(|(domain, _)| domain).collect();
        if self.aor_domain == AorDomain::Own {
            let above = names_above(&key[PREFIX.len()..]).into_iter();
            aliases.extend(above.filter(|name| !self.in_scope(name)));
        }
        aliases
    }

    /// The missing users whom nobody adds: most of those who are registered in their domain stand in sets of another name, one
    /// set for one user of this name, while any member is online.
    pub fn elsewhere(&self) -> Pairs {
        let is_online = |key: &Bytes, members: Vec<&Bytes>| {
            members.iter().any(|member| self.is_online(key, member))
        };
        if !self
            .redis_in_scope()
            .any(|(key, members)| is_online(key, members))
        {
            return Pairs::new();
        }
        let keys: BTreeSet<_> = self.redis_in_scope().map(|(key, _)| lower(key)).collect();
        let sets = keys.iter().map(|key| (key, self.namesakes(key)));
        let sets: Vec<(&Bytes, Pairs)> = sets
            .filter(|(_, (_, are_many))| *are_many)
            .map(|(key, (namesakes, _))| (key, namesakes))
            .collect();
        // In so many sets of another name does a name stand for whom no domain was found yet.
        let mut left = BTreeMap::<Bytes, usize>::new();
        for (_, namesakes) in &sets {
            let names: BTreeSet<_> = namesakes.iter().map(|(_, user)| lower(user)).collect();
            names
                .into_iter()
                .for_each(|name| *left.entry(name).or_default() += 1);
        }
        let is_related = |(domain, name): &(Bytes, Bytes)| {
            let mut of = sets.iter().filter(|(_, namesakes)| {
                namesakes.iter().any(|(_, user)| lower(user) == lower(name))
            });
            of.any(|(key, _)| names_above(&key[PREFIX.len()..]).contains(domain))
        };
        let domains = sets.iter().flat_map(|(_, namesakes)| namesakes);
        let domains: BTreeSet<_> = domains.map(|(domain, _)| domain).collect();
        let domains = domains.into_iter().map(|domain| {
            let missing = self.missing_of(domain);
            let related = missing.iter().filter(|user| is_related(user)).count();
            (related * 2 <= missing.len(), domain, missing)
        });
        let mut elsewhere = Pairs::new();
        for (are_strangers, domain, missing) in domains.collect::<BTreeSet<_>>() {
            let stands = |pair: &&(Bytes, Bytes)| {
                left.get(&lower(&pair.1)) > Some(&0)
                    && sets.iter().any(|(_, namesakes)| namesakes.contains(pair))
            };
            let standing: Vec<_> = missing.iter().filter(stands).cloned().collect();
            let mut online = BTreeSet::new();
            for (key, members) in self.redis_in_scope().filter(|_| are_strangers) {
                let is_its = lower(key) == [PREFIX, domain].concat();
                let its = members.into_iter().filter(|_| is_its);
                online.extend(
                    its.filter(|member| self.is_online(key, member))
                        .map(|member| (key, member)),
                );
            }
            if standing.len() * 2 > missing.len() + online.len() {
                for (_, user) in &standing {
                    let left = left.get_mut(&lower(user)).unwrap();
                    *left = left.saturating_sub(1);
                }
                elsewhere.extend(standing);
            }
        }
        elsewhere
    }

    /// Those of the domains that stand behind an `@` of a member and are not its own.
    fn meant_of_other_domains(&self, key: &[u8], member: &[u8], look: Look) -> Pairs {
        let mut meant = Pairs::new();
        if self.aor_domain != AorDomain::Own {
            return meant;
        }
        let is_of = |domain: &[u8], of: &[u8]| {
            let domain = domain.to_ascii_lowercase();
            domain == of || without_port(&domain) == of
        };
        let own = without_port(&key[PREFIX.len()..].to_ascii_lowercase());
        let uris = uris(member, look);
        for (domain, _) in uris.iter().filter_map(|uri| split(uri)) {
            let domain = domain.split(|byte| b";?".contains(byte)).next().unwrap();
            if domain.is_empty() || is_of(domain, &own) {
                continue;
            }
            for of in [domain.to_vec(), without_port(domain)] {
                for uri in &uris {
                    let mut users = users(uri, |domain| is_of(domain, &of));
                    users.push([uri, &b"@"[..], &of].concat());
                    meant.extend(users.into_iter().map(|user| (of.clone(), user)));
                }
            }
        }
        meant
    }

    /// Everyone who is registered, out of scope too, those of no set with the empty domain.
    fn registered(&self) -> Vec<(Bytes, Bytes)> {
        if self.aor_domain != AorDomain::Own {
            return self.online();
        }
        let aors = self.registrars.iter().flat_map(|items| self.aors(items));
        let parts = aors.map(|aor| match split(aor) {
            Some((domain, user)) if !domain.is_empty() => (domain, user),
            _ => (vec![], aor.clone()),
        });
        parts.collect()
    }

    /// Whether a member who is not online means a registered user for whom no member stands, or none of its own domain.
    pub fn is_left_alone(&self, key: &[u8], member: &[u8]) -> bool {
        self.is_left_alone_by(key, member, &self.aliases(key))
    }

    /// The same, with these other names of the key's domain.
    pub fn is_left_alone_by(&self, key: &[u8], member: &[u8], aliases: &BTreeSet<Bytes>) -> bool {
        let meant = self.meant(key, member, Look::First, aliases);
        let is_meant = |(domain, user): &(Bytes, Bytes)| {
            let is_of_no_set = domain.is_empty() && self.aor_domain == AorDomain::Own;
            meant.contains(&(domain.clone(), user.to_ascii_lowercase()))
                && (is_of_no_set || !self.stands(&(domain.clone(), user.clone())))
        };
        let is_elsewhere = |name: &Bytes| {
            let mut standing = Vec::new();
            for (of, members) in self.redis_in_scope() {
                let stands =
                    |member: &&&Bytes| self.stands_for(member, name) && self.is_online(of, member);
                standing.extend(members.iter().filter(stands).map(|_| lower(of)));
            }
            !standing.is_empty() && !standing.contains(&lower(key))
        };
        let is_of_other = |(domain, user): &(Bytes, Bytes)| {
            let of = [PREFIX, domain].concat();
            self.redis_in_scope().any(|(key, members)| {
                let stands =
                    |member: &&Bytes| self.stands_for(member, user) && self.is_online(key, member);
                lower(key) == of && members.into_iter().any(|member| stands(&member))
            })
        };
        let others = self.meant_of_other_domains(key, member, Look::Later);
        self.registered().iter().any(is_meant)
            || others.iter().any(is_of_other)
            || self.aor_domain == AorDomain::Ignored
                && longer_forms(&key[PREFIX.len()..].to_ascii_lowercase(), member)
                    .iter()
                    .any(is_elsewhere)
    }

    fn is_online(&self, key: &[u8], member: &[u8]) -> bool {
        self.online().iter().any(|user| self.is(key, member, user))
    }

    /// Key and member of everyone to remove; domain and user of everyone to add.
    pub fn stale_and_missing(&self) -> (Pairs, Pairs) {
        let online = self.online();
        let mut stale = BTreeSet::new();
        for (key, members) in self.redis_in_scope() {
            let aliases = self.aliases(key);
            for member in members {
                if !self.is_online(key, member) && !self.is_left_alone_by(key, member, &aliases) {
                    stale.insert((key.to_vec(), member.to_vec()));
                }
            }
        }
        let elsewhere = self.elsewhere();
        let mut missing = Pairs::new();
        for user in &online {
            let known =
                |(domain, name): &(Bytes, Bytes)| *domain == user.0 && self.same(name, &user.1);
            if !self.stands(user)
                && !missing.iter().any(known)
                && !self.is_passed_over(user)
                && !elsewhere.contains(user)
            {
                missing.insert(user.clone());
            }
        }
        (stale, missing)
    }

    /// Whether a user in no set is not told as missing.
    fn is_passed_over(&self, (_, user): &(Bytes, Bytes)) -> bool {
        let is_ignored = self.aor_domain == AorDomain::Ignored;
        let part = split(user).filter(|_| is_ignored);
        self.is_excluded(user)
            || part.is_some_and(|(_, user)| self.is_excluded(&user))
            || is_ignored && (!self.excluded.is_empty() || is_of_no_set(user))
    }

    /// Key, its domain in lower case, and name of every registered user for whom a member of its set stands.
    fn registered_in_sets(&self) -> Pairs {
        let mut users = Pairs::new();
        for user in self.online() {
            for (key, members) in self.redis_in_scope() {
                let mut names = self.readings(key, &user);
                names.retain(|name| members.iter().any(|member| self.stands_for(member, name)));
                users.extend(names.into_iter().map(|name| (lower(key), name)));
            }
        }
        users
    }

    /// Panics unless `plan` is the plain one.
    pub fn compare(&self, plan: &Plan) {
        assert!(!self.is_unusable());
        let (stale, missing) = self.stale_and_missing();
        assert_eq!(removed(plan), stale);
        let key = |(domain, user): &(Bytes, Bytes)| match &self.aor_domain {
            AorDomain::Ignored => (vec![], user.clone()),
            _ => ([PREFIX, domain].concat(), user.clone()),
        };
        let missing: Pairs = missing.iter().map(key).collect();
        assert_eq!(added(plan), missing);
        let registrars = self.registrars.iter();
        let aors = registrars
            .map(|registrar| self.aors(registrar).len())
            .sum::<usize>();
        let members: usize = self
            .redis_in_scope()
            .map(|(_, members)| members.len())
            .sum();
        assert_eq!(plan.totals.aors, aors);
        assert_eq!(plan.totals.members, members);
        assert_eq!(
            (plan.totals.stale, plan.totals.missing),
            (stale.len(), missing.len())
        );
        let fold = |(key, user): (Bytes, Bytes)| match self.case_counts {
            true => (key, user),
            false => (key, user.to_ascii_lowercase()),
        };
        let in_sets = self.registered_in_sets();
        let elsewhere = self.elsewhere().into_iter();
        let elsewhere = elsewhere.filter(|user| !self.is_passed_over(user));
        let elsewhere = elsewhere.map(|user| key(&user));
        let users: Pairs = in_sets
            .into_iter()
            .chain(missing.clone())
            .chain(elsewhere)
            .map(fold)
            .collect();
        // One member `a%2520` may stand for two users, and is counted once.
        let exact = !self
            .redis
            .values()
            .flatten()
            .any(|member| member.contains(&b'%'));
        assert!(plan.totals.online == users.len() || !exact && plan.totals.online < users.len());
        let one_each = |a: &Entry, b: &Entry| a.key < b.key;
        assert!(plan.entries.is_sorted_by(one_each));
        for entry in &plan.entries {
            let is_its = |key: &Bytes| lower(key) == lower(&entry.key);
            let sets = self.redis_in_scope().filter(|(key, _)| is_its(key));
            let (keys, members): (Vec<_>, Vec<_>) = sets.unzip();
            let names = entry.keys.iter().map(|key| &*plan.sets.key(*key).name);
            assert!(names.eq(keys.iter().map(|key| &key[..])), "{keys:?}");
            assert_eq!(entry.members, members.iter().map(Vec::len).sum::<usize>());
            let of_domain = |pairs: &Pairs| pairs.iter().filter(|(key, _)| is_its(key)).count();
            assert_eq!(entry.stale.len(), of_domain(&stale));
            let differences = of_domain(&stale) + entry.other_forms.len() + of_domain(&missing);
            assert_eq!(entry.differs(), differences > 0);
            let of = of_domain(&users);
            assert!(entry.online == of || !exact && entry.online < of);
        }
    }
}

/// Key and member of everyone whom a plan removes.
pub fn removed(plan: &Plan) -> Pairs {
    pairs(plan, &plan.stale())
}

fn pairs(plan: &Plan, members: &[MemberId]) -> Pairs {
    let pair = |member: &MemberId| {
        let (key, member) = (plan.sets.key_name(*member), plan.sets.member(*member));
        (key.to_vec(), member.to_vec())
    };
    members.iter().map(pair).collect()
}

/// Key and user of everyone whom a plan adds.
pub fn added(plan: &Plan) -> Pairs {
    let of = |entry: &Entry| {
        let users = entry.missing.iter();
        users
            .map(|user| (entry.key.to_vec(), plan.missing(*user).to_vec()))
            .collect::<Vec<_>>()
    };
    plan.entries.iter().flat_map(of).collect()
}

/// A key, with its domain in lower case.
fn lower(key: &[u8]) -> Bytes {
    let (prefix, domain) = key.split_at(key.len().min(PREFIX.len()));
    [prefix, &domain.to_ascii_lowercase()].concat()
}

/// The domain of an AoR, in lower case, and its user.
fn split(aor: &[u8]) -> Option<(Bytes, Bytes)> {
    let mut parts = aor.rsplitn(2, |byte| *byte == b'@');
    let domain = parts.next()?.to_ascii_lowercase();
    Some((domain, parts.next()?.to_vec()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Later,
}

/// Whether an AoR has no user, or no domain behind its `@`.
fn is_of_no_set(aor: &[u8]) -> bool {
    matches!(aor, [] | [.., b'@'])
}

/// The users whom a member that holds more than a user may mean, where domains are ignored.
fn longer_forms(domain: &[u8], member: &[u8]) -> Vec<Bytes> {
    let mut forms = Vec::new();
    for name in [member.to_vec(), unescaped(member)] {
        let uri = uri(&name);
        if uri.len() < name.len() {
            forms.extend([
                uri.clone(),
                [&uri[..], b"@", domain].concat(),
                [&uri[..], b"@", &without_port(domain)[..]].concat(),
            ]);
        }
        forms.extend([[&uri[..], b"@"].concat()]);
        let users = users(&uri, |_| true).into_iter();
        forms.extend(users.filter(|user| user.len() < uri.len()));
    }
    forms
}

/// The URIs that a member may be, as it stands and %-unescaped.
fn uris(member: &[u8], look: Look) -> [Bytes; 2] {
    [member.to_vec(), unescaped(member)].map(|name| match look {
        Look::First => uri(&name.to_ascii_lowercase()),
        Look::Later => uri(&name),
    })
}

fn names_above(domain: &[u8]) -> Vec<Bytes> {
    let dots = (0..domain.len()).filter(|at| domain[*at] == b'.');
    dots.map(|at| domain[at + 1..].to_vec()).collect()
}

/// Without the scheme, and what stands round a URI: quotes, or a name and angle brackets.
fn uri(name: &[u8]) -> Bytes {
    let known = regex::bytes::Regex::new(r"(?is-u)^(?:[^<]*<)?(sip|sips|tel):").unwrap();
    let name = match name.trim_ascii() {
        [b'"', quoted @ .., b'"'] => quoted,
        name => name,
    };
    match known.find(name) {
        Some(scheme) if scheme.as_bytes().contains(&b'<') => {
            let rest = &name[scheme.end()..];
            rest.split(|byte| *byte == b'>').next().unwrap().to_vec()
        }
        Some(scheme) => name[scheme.end()..].to_vec(),
        None => name.to_vec(),
    }
}

/// The users that a URI may be: as it stands, without parameters, without a port; and its user.
fn users(uri: &[u8], is_own: impl Fn(&[u8]) -> bool) -> Vec<Bytes> {
    let plain = uri.split(|byte| b";?".contains(byte)).next().unwrap();
    let mut users = parts_of_user(uri, is_own);
    users.extend([uri.to_vec(), plain.to_vec(), without_port(plain)]);
    users
}

/// The user of a URI, whole, and without parameters and password; unless it is of another domain.
fn parts_of_user(uri: &[u8], is_own: impl Fn(&[u8]) -> bool) -> Vec<Bytes> {
    let mut halves = uri.rsplitn(2, |byte| *byte == b'@');
    let last = halves.next().unwrap();
    let user = match halves.next() {
        Some(user) => {
            let domain = last.split(|byte| b";?".contains(byte)).next().unwrap();
            if !is_own(domain) {
                return vec![];
            }
            user
        }
        None => last,
    };
    let until = |ends: &[u8]| {
        user.split(|byte| ends.contains(byte))
            .next()
            .unwrap()
            .to_vec()
    };
    vec![user.to_vec(), until(b";"), until(b";:")]
}

/// A domain in lower case, without the port behind it.
fn without_port(domain: &[u8]) -> Bytes {
    let port = regex::bytes::Regex::new(r"(?s-u)^([^:]+|.*\]):[0-9]+$").unwrap();
    match port.captures(domain) {
        Some(parts) => parts[1].to_vec(),
        None => domain.to_vec(),
    }
}

/// What a pattern sees: of a name that is not UTF-8 each byte.
fn characters(name: &[u8]) -> String {
    let text = String::from_utf8(name.to_vec());
    text.unwrap_or_else(|_| name.iter().map(|byte| char::from(*byte)).collect())
}

/// `%` and two hexadecimal digits are a byte.
fn unescaped(member: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    let mut at = 0;
    while at < member.len() {
        let digits = member
            .get(at + 1..at + 3)
            .filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        match digits.filter(|_| member[at] == b'%') {
            Some(digits) => {
                let digits = str::from_utf8(digits).unwrap();
                plain.push(u8::from_str_radix(digits, 16).unwrap());
                at += 3;
            }
            None => {
                plain.push(member[at]);
                at += 1;
            }
        }
    }
    plain
}
