"""What each sink makes of notices, over real sockets. One kind of database is enough for this."""

import json
from xml.etree import ElementTree as ET

import pytest

from fakes.loopback import status
from fakes.tls import Authority
from fakes.told import Mailbox
from gopherwood.catalog import Event
from gopherwood.notices.sinks.atom import NAMESPACE

pytestmark = pytest.mark.parametrize("catalog_url", ["sqlite"], indirect=True)

STARTED = Event("promotion-started", "staging", {"version": "1.2", "commit": "abc"})
FINISHED = Event("promotion-finished", "staging", {"version": "1.2", "commit": "abc"})


@pytest.fixture
def ops(desk, slack):
    """Return a delivery to Slack; some kinds go to channels of their own."""
    desk.routes(
        f'[sinks.ops]\nkind = "slack"\napi = "{slack.url}/api"\ntoken = "env:SLACK_TOKEN"\nchannel = "#ops"\n'
        '[[routes]]\nevents = ["conflict"]\nto = ["ops"]\nchannel = "#nowhere"\nmention = "<!here>"\n'
        '[[routes]]\nevents = ["*"]\nto = ["ops"]\n'
    )
    return desk.delivery("ops")


def test_a_story_is_one_message_edited_in_place(desk, slack, ops):
    """Started and finished are one message; the next promotion of the same environment is another."""
    desk.catalog.emit(STARTED)
    ops.step()
    desk.catalog.emit(FINISHED, STARTED)
    ops.step()
    assert slack.calls == ["chat.postMessage", "chat.update", "chat.postMessage"]
    first, second = slack.texts
    assert first.startswith("staging: 1.2 is in place")
    assert "• staging: promoting 1.2" in first
    assert second.startswith("staging: promoting 1.2")
    assert all(each["metadata"]["event_payload"]["id"] for each in slack.messages.values())


def test_a_message_that_was_deleted_is_posted_anew(desk, slack, ops):
    """What cannot be edited any more loses no notice."""
    desk.catalog.emit(STARTED)
    ops.step()
    slack.messages.clear()
    desk.catalog.emit(FINISHED)
    ops.step()
    assert [text.split("(")[0] for text in slack.texts] == ["staging: 1.2 is in place "]


def test_a_page_calls_somebody_and_survives_a_wrong_channel(desk, slack, ops):
    """A channel that Slack does not know: the sink's own gets it, with the mention, and says what is wrong."""
    desk.catalog.emit(Event("conflict", "example.com/m@v1.0.0", {}))
    ops.step()
    (text,) = slack.texts
    assert text.startswith("<!here> :rotating_light: conflict: ")
    assert text.endswith("(meant for #nowhere: channel_not_found)")
    assert (ops.told.delivered, ops.told.problem) == (1, "")


def test_text_of_others_calls_nobody(desk, slack, ops):
    """Markup and line ends in what an upstream said are plain text."""
    desk.catalog.emit(
        Event("rejected", "example.com/m@v1.0.0", {"reason": "x", "detail": "<!channel>\n<http://a|b> & c"})
    )
    ops.step()
    assert "&lt;!channel&gt; &lt;http://a|b&gt; &amp; c" in slack.texts[0]


def test_a_crowd_is_one_message(desk, slack, ops):
    """A hundred versions published are one line and not a hundred messages."""
    desk.catalog.emit(*(Event("published", f"example.com/m@v1.0.{n}") for n in range(100)))
    ops.step()
    assert slack.texts == ["100 module versions published: example.com/m@v1.0.0 ... example.com/m@v1.0.99"]
    assert ops.told.delivered == 100


def test_slack_that_fails_is_asked_again(desk, slack, ops, clock):
    """429 with Retry-After, 500 and `ok: false` all leave the notice where it is; no error shows the token."""
    desk.catalog.emit(Event("imported", "a bundle", {"signed_by": "us"}))
    slack.fail("api/chat.postMessage", status(429, retry_after="30"), times=1)
    slack.fail("api/chat.postMessage", status(500), times=1)
    assert ops.step() == pytest.approx(30, abs=1)
    clock.pass_(seconds=31)
    ops.step()
    assert "500" in ops.told.problem
    slack.says["chat.postMessage"] = "token_revoked"
    clock.pass_(seconds=31)
    ops.step()
    assert "token_revoked" in ops.told.problem
    assert slack.token not in str(desk.catalog.sinks())
    slack.says.clear()
    clock.pass_(seconds=31)
    ops.step()
    assert slack.texts == ["bundle a bundle was imported, signed by us"]


def test_the_simple_webhook_of_slack(desk, slack, monkeypatch):
    """One message a notice, an unknown kind too; the secret URL is in no error."""
    monkeypatch.setenv("SLACK_HOOK", f"{slack.url}/hook")
    desk.routes(
        '[sinks.chat]\nkind = "slack-webhook"\nurl = "env:SLACK_HOOK"\n[[routes]]\nevents = ["*"]\nto = ["chat"]\n'
    )
    delivery = desk.delivery("chat")
    desk.catalog.emit(Event("comet-seen", "over the store", {"tail": 3, "odd {name}": "x"}))
    delivery.step()
    assert slack.texts == ["comet-seen: over the store (tail 3)"]
    slack.fail("hook", status(404))
    desk.catalog.emit(Event("comet-seen", "again"))
    delivery.step()
    assert "404" in delivery.told.problem
    assert "hook" not in delivery.told.problem


def test_mail_is_a_digest_over_starttls(desk, tmp_path, monkeypatch):
    """All that is due is one letter, the gravest in its subject; nothing goes unencrypted; a refusal is tried again."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    (tmp_path / "password").write_text("secret\n")
    with Mailbox(authority.serve_as("127.0.0.1"), "us", "secret") as box:
        desk.routes(
            f'[sinks.mail]\nkind = "mail"\nserver = "127.0.0.1:{box.port}"\nfrom = "gopherwood@example.com"\n'
            f'to = ["a@example.com", "b@example.com"]\nuser = "us"\npassword = "file:{tmp_path}/password"\n'
            '[[routes]]\nevents = ["*"]\nto = ["mail"]\n'
        )
        delivery = desk.delivery("mail")
        desk.catalog.emit(STARTED, Event("integrity", "ledger", {"detail": "it forked"}), FINISHED)
        box.refuses["MAIL"] = "451 not now"
        delivery.step()
        assert "451: not now" in delivery.told.problem
        desk.catalog.clock.pass_(seconds=2)
        assert delivery.step() == 15 * 60
    ((sender, to, letter),) = box.letters
    assert (sender, to, box.unencrypted) == ("gopherwood@example.com", ["a@example.com", "b@example.com"], [])
    assert letter["Subject"] == "[gopherwood] page: integrity: ledger: it forked (and 2 more)"
    text = letter.get_payload()
    assert text.index("promoting 1.2") < text.index("it forked") < text.index("1.2 is in place")


def test_feeds_tell_of_everything_and_of_each_module(desk):
    """A feed of all and one of each module; told twice, an entry is there once; the newest stay."""
    desk.routes('[sinks.feed]\nkind = "atom"\nentries = 3\n[[routes]]\nevents = ["*"]\nto = ["feed"]\n')
    delivery = desk.delivery("feed")
    desk.catalog.emit(*(Event("published", f"example.com/Big{n % 2}@v1.0.{n}") for n in range(5)), STARTED)
    delivery.step()
    sent = desk.catalog.untold(desk.catalog.sinks()[0].__class__(name="x", position=0, owner=None), 10)
    told = [desk.plan().notice("feed", each, desk.catalog.clock())[0] for each in sent]
    desk.plan().sinks["feed"].deliver(told, lambda _: None)
    folder = desk.settings.home / "reports/feeds"
    entries = {file: titles(folder / file) for file in ("all.atom", "example.com/!big1/feed.atom")}
    assert len(entries["all.atom"]) == 3
    assert sorted(entries["example.com/!big1/feed.atom"]) == [
        "example.com/Big1@v1.0.1 is published",
        "example.com/Big1@v1.0.3 is published",
    ]


def test_a_program_is_told_all(desk, hook):
    """What a webhook gets: the kind, the data, the text for people, a link as the file says."""
    desk.routes(
        '[sinks.hook]\nkind = "webhook"\nurl = "env:HOOK_URL"\nsecret = "env:HOOK_SECRET"\n'
        '[[routes]]\nevents = ["rej*"]\nmodules = ["example.com/acme"]\nto = ["hook"]\n'
        '[links]\nrejected = "https://go.example/{path}?v={version}"\n'
    )
    delivery = desk.delivery("hook")
    payload = {"reason": "invalid-zip", "detail": "no zip"}
    desk.catalog.emit(
        Event("rejected", "example.com/acme/a@v1.0.0", payload), Event("rejected", "example.com/b@v1.0.0")
    )
    delivery.step()
    (told,) = hook.taken
    assert (told["type"], told["severity"], told["data"]) == ("rejected", "info", payload)
    assert told["link"] == "https://go.example/example.com/acme/a?v=v1.0.0"
    assert "invalid-zip" in told["text"]
    assert "gopherwood status" in told["todo"]
    assert json.dumps(told)


def titles(file):
    return [each.text for each in ET.parse(file).iterfind(f"{{{NAMESPACE}}}entry/{{{NAMESPACE}}}title")]
