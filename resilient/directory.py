"""Which service a request is for, by its host."""

from collections.abc import Iterator, Mapping

import attrs
from yarl import URL

from resilient.config.service import Config
from resilient.errors import ConfigError
from resilient.options import Options
from resilient.route import Origin
from resilient.serving import Serving
from resilient.wallet import Credentials, Wallet

_MANY = 1024


@attrs.define(eq=False)
class Directory:
    """All services, by host.

    Attributes:
        origins: What is known of those that were asked for, by scheme, host and port.
    """

    servings: dict[str, Serving]
    origins: dict[tuple[str, str | None, int | None], Origin] = attrs.field(factory=dict)

    @classmethod
    def of(cls, config: Config, credentials: Mapping[str, Credentials]) -> "Directory":
        """Return the directory of a configuration.

        Raises:
            ConfigError: A credential belongs to no service, or has nowhere to go.
        """
        if not isinstance(credentials, Mapping):
            raise ConfigError("credentials are a mapping from a service's name to what signs it")
        known = {service.name for service in config.services}
        for name in credentials:
            if name not in known:
                raise ConfigError(
                    f"a credential is given for {name!r}, and there is no such "
                    f"service; there are {', '.join(sorted(known))}"
                )
        wallets = {
            each.name: Wallet.of(each, credentials.get(each.name)) for each in config.services
        }
        return cls({each.name: Serving(each, wallets[each.name]) for each in config.services})

    def origin(self, url: URL) -> Origin:
        """Find out about a URL's origin, and remember it."""
        if len(self.origins) >= _MANY:
            self.origins.clear()
        found = self.origins[(url.scheme, url.host, url.port)] = self._new(url)
        return found

    def _new(self, url: URL) -> Origin:
        fitting = tuple(each for each in self.servings.values() if each.serves(url))
        trusted = tuple(each for each in fitting if each.may_sign(url))
        return Origin(f"{url.host}:{url.port}", fitting, trusted)

    def find(self, origin: Origin, options: Options) -> Serving | None:
        """Return the service that a request is for, or None.

        Raises:
            ConfigError: Several fit, and nothing chooses; or the chosen one is not there.
        """
        fitting = origin.servings
        if options.service is not None:
            chosen = self.servings.get(options.service)
            if chosen is None:
                raise ConfigError(
                    f"there is no service {options.service!r}; there are {', '.join(self.servings)}"
                )
            return chosen if chosen in fitting else None
        if len(fitting) > 1:
            names = ", ".join(each.service.name for each in fitting)
            host = origin.host.rpartition(":")[0]
            raise ConfigError(
                f"{host} belongs to several services ({names}): choose one by options(service=…)"
            )
        return fitting[0] if fitting else None

    def __iter__(self) -> Iterator[Serving]:
        return iter(self.servings.values())
