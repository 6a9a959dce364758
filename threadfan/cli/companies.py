"""What the server on this machine answers in the demo: notes on its companies, and what they come to."""

from __future__ import annotations

_TEXTS = """
Airbus
  Airliners, helicopters, satellites and military aircraft; airlines, lessors and states buy them.  Boeing is
  the rival in large airliners, COMAC a newcomer.
  so: Its order book for the A320 family is full for years, which gives it a steady income.  The greatest risk
  is a chain of suppliers that cannot keep up with the rate it wants to build at.
Infosys
  Software services and consulting from India, for banks, shops and industry abroad.  TCS, Wipro, Accenture
  and Cognizant offer the same.
  so: Its strength is a large trained staff at moderate cost, with clients that stay for decades.  Its risk is
  that tools which write code lower the hours that it can bill.
Maersk
  Container ships, ports and inland transport, for shippers of all sizes.  MSC and CMA CGM are its rivals at
  sea.
  so: It offers the whole way from factory to shop, where others sell a place on a ship.  Freight rates that
  fall as new ships arrive are its greatest risk.
Nestlé
  Food and drink from coffee to pet food, in nearly every country.  Unilever, Danone, Mars and shops' own
  brands compete with it.
  so: Brands such as Nescafé and Purina let it pass on higher costs.  Its risk is that buyers turn to cheaper
  brands when prices have risen for long.
Novo Nordisk
  Medicines for diabetes and obesity, semaglutide before all.  Eli Lilly is the rival with tirzepatide.
  so: It has decades of experience with peptides, and the plants to make them.  It depends on very few
  products, and the rival's are strong.
Petrobras
  Oil and gas from deep water off Brazil, refined and sold mostly there.  Its rivals are the large oil
  companies.
  so: The pre-salt fields give oil at a low cost a barrel.  Its greatest risk is the state, its main owner,
  which has aims besides profit.
Safaricom
  Mobile telephony and the payment service M-Pesa in Kenya, and a young network in Ethiopia.  Airtel competes.
  so: M-Pesa is how Kenya pays, so that customers have little reason to leave.  Rules against its size and the
  cost of Ethiopia are its risks.
Samsung
  Memory chips, screens, phones and household devices.  SK Hynix and Micron, TSMC and Apple are its rivals.
  so: It makes chips, screens and devices itself, at a scale that few can pay for.  Memory prices rise and
  fall in cycles that decide over its profit.
Shopify
  Software with which shops sell on the web, with payments and delivery; for merchants from one person up.
  WooCommerce, Wix and Amazon are alternatives.
  so: Merchants stay because payments, apps and stock are all in one place.  It earns with what they sell, so
  a weak economy reaches it at once.
Siemens
  Automation, trains and technology for buildings, for industry and cities.  ABB, Schneider and Rockwell are
  the rivals.
  so: It sells both machines' controls and the software that plans factories.  Industry that invests less, as
  in China and Germany, is its greatest risk.
Toyota
  Cars of all classes, and more hybrids than anybody.  Volkswagen, Hyundai and BYD are its rivals.
  so: Its production is a model for others, and hybrids sell well while chargers are few.  Its risk is that
  electric cars from China take its markets in Asia.
Unilever
  Soap, cosmetics, food and cleaning products in most countries.  Procter & Gamble, Nestlé and L'Oréal
  compete.
  so: It reaches small shops in India and Indonesia that rivals do not.  Its risk is having so many brands
  that none gets enough attention.
"""
_UNKNOWN = (
    "{company} is not among the twelve that this server on your own machine knows: a model's notes would stand here.",
    "What to think of {company} a model would say here: this server on your own machine knows the demo's twelve.",
)


def replies(companies: tuple[str, ...]) -> dict[str, str]:
    """What ``MessagesServer`` is to answer, by a part of the prompt."""
    known = _known()
    analyses, notes = {}, {}
    for company in companies:
        texts = known.get(company) or tuple(text.replace("{company}", company) for text in _UNKNOWN)
        notes[f"Research {company}: what"], analyses[f"Analyse {company} in two"] = texts
    return {**analyses, **notes}  # in this order: the prompt of an analysis quotes the notes


def _known() -> dict[str, tuple[str, str]]:
    """By company: the notes, and the analysis of them."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in _TEXTS.strip().splitlines():
        if line[0] == " ":
            found[name].append(line.strip())
        else:
            found[name := line] = []
    texts = {name: " ".join(lines).partition(" so: ") for name, lines in found.items()}
    return {name: (notes, analysis) for name, (notes, _, analysis) in texts.items()}
