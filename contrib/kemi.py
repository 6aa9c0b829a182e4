# For a kamailio.cfg whose routing is in Python (app_python3): it has no request_route that could call route(ONLINE).
#
# In kamailio.cfg, include kamonline.cfg (kamailio.cfg.example) above cfgengine "python". Copy this into your script, and call
#   online()            after each KSR.registrar.save() and KSR.registrar.unregister()
#   online_expired()    in registrar's event_callback, if your kamailio.cfg sets one
#   online_rpc()        first in xhttp's event_callback, if it sets one; when it returns True, the request is answered
# Without an event_callback the event routes of kamonline.cfg do the two. They read #!define: what you set below, define in
# kamailio.cfg, too, as the head of kamonline.cfg says. Lua, JavaScript ..: the same functions of KSR.

import KSR

ONLINE_TABLE = "location"
# usrloc's use_domain is 0: all users belong to this domain.
ONLINE_DOMAIN = ""
ONLINE_ALLOWED = ("127.0.0.1", "::1")


def online():
    # With registrar's case_sensitive 1, the user keeps its case: {s.tolower} goes. A realm_prefix is not served here.
    try:
        user = KSR.pv.gete("$(tu{uri.user}{s.unescape.user}{s.tolower})")
        domain = ONLINE_DOMAIN or KSR.pv.gete("$(tu{uri.host}{s.tolower})")
        # Asked with the phone's own domain, registered_uri() says no when that is too long for the registrar.
        aor = "sip:" + KSR.pv.gete("$(tu{uri.user})") + "@" + ONLINE_DOMAIN if ONLINE_DOMAIN else KSR.pv.gete("$tu")
    except UnicodeDecodeError:
        return  # Python cannot hold this user: kamonline adds and removes them.
    if not user or not domain:
        return
    if KSR.registrar.registered_uri(ONLINE_TABLE, aor) < 0:
        online_store("SREM", domain, user)
    # Asked after the SREM: another worker may have saved another phone of theirs meanwhile.
    if KSR.registrar.registered_uri(ONLINE_TABLE, aor) > 0:
        online_store("SADD", domain, user)


def online_expired():
    try:
        user, domain = KSR.pv.gete("$ulc(exp=>aor)"), ONLINE_DOMAIN
    except UnicodeDecodeError:
        return
    if not domain:
        user, _, domain = user.rpartition("@")
    if not user or KSR.pv.gete("$ulc(exp=>domain)") != ONLINE_TABLE:
        return
    escaped = "".join("%%%02x" % ord(char) if char in "%@:[]" else char for char in user)
    aor = "sip:" + escaped + "@" + domain
    # With use_domain 0 the AoR 100@abc.voip.ca is a user with an @, and the contacts found are those of another user, 100.
    # The contact is still there: 1 says it is the last.
    if (KSR.registrar.reg_fetch_contacts(ONLINE_TABLE, aor, "online_left") > 0
            and KSR.pv.gete("$ulc(online_left=>aor)") == KSR.pv.gete("$ulc(exp=>aor)")
            and KSR.pv.gete("$ulc(online_left=>count)") == 1):
        online_store("SREM", domain, user)


def online_rpc():
    if KSR.pv.gete("$(hu{s.select,1,/})") != "rpc":
        return False
    if KSR.pv.gete("$si") in ONLINE_ALLOWED:
        KSR.xhttp_rpc.dispatch()
    else:
        KSR.xhttp.xhttp_reply(403, "Forbidden", "text/plain", "ONLINE_ALLOWED does not hold this address\n")
    return True


# The values are arguments: in the command itself a % or a space of the phone's choosing would be part of the command.
def online_store(command, domain, user):
    KSR.ndb_redis.redis_cmd_p2("online", command + " %s %s", "ONLINE:" + domain, user, "online")
