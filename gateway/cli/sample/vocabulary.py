"""The words that made-up customers are made of: names, places, products, pages, what agents write.

Owns curated lists and nothing else; the order of a list is part of what a seed means, so add at the end. Called by the other modules of
this package.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "AGENTS",
    "CITIES",
    "COMPANY_KINDS",
    "COMPANY_NAMES",
    "FIRST_NAMES",
    "JOB_TITLES",
    "LAST_NAMES",
    "NOTES",
    "PAGES",
    "PRODUCTS",
    "QUEUES",
    "ROLES",
    "SUMMARIES",
]

FIRST_NAMES: Final = tuple(
    """Ada Adaeze Aiko Alejandro Amara Amina Anders Anika Antoine Arjun Astrid Beatriz Benjamin Bianca Camille Carlos Chiara Chloe
    Daniel David Dmitri Elena Elif Emeka Emma Erik Fatima Felix Fiona Freya Gabriel Giulia Grace Hana Hannah Hassan Helena Henrik
    Hiroshi Ibrahim Ines Ingrid Isabel Ivan Jack Jakub Jamal Jana Javier Jonas José Julia Kaito Karim Katarina Kofi Laila Lars Leila
    Leon Liam Linnea Luca Lucía Maja Malik Marco Maria Marta Mateo Mei Mila Mohammed Nadia Naomi Nikolai Nora Olga Oliver Omar Paolo
    Petra Priya Rafael Rania Ravi Rosa Ruth Samuel Sara Sofia Stefan Sunita Tariq Thandiwe Tomás Vera Viktor Wei Yara Yusuf Zoë""".split()  # noqa: SIM905  # a hundred lines of one name each say no more
)
LAST_NAMES: Final = tuple(
    """Abe Adeyemi Ahmed Almeida Andersson Bauer Becker Bennett Bianchi Boateng Bonnet Brown Byrne Carvalho Chen Clarke Costa Cruz
    Diallo Dubois Eze Fernández Fischer Ferrari Fraser García Gomez Green Gupta Haddad Hall Hansen Hernandez Hoffmann Horvat Hughes
    Ito Ivanova Jansen Johansson Jones Kaya Keller Khan Kim Kowalski Kumar Larsen Laurent Lee Lewis Lindqvist Lopez MacDonald
    Mancini Martin Mbeki Mendes Meyer Moreau Mori Müller Murphy Nakamura Ndiaye Nguyen Nielsen Novak O'Brien Okafor Okonkwo Olsen
    Owusu Park Patel Pereira Petrov Popescu Quinn Ramos Reyes Ricci Rossi Ryan Saito Santos Schmidt Shah Sharma Silva Singh Smith
    Sørensen Souza Suzuki Svensson Tanaka Taylor Tran Vargas Virtanen Walker Weber Williams Wong Yamamoto Yilmaz Zhang""".split()  # noqa: SIM905  # a hundred lines of one name each say no more
)
COMPANY_NAMES: Final = tuple(
    """Aldermoor Brightwater Cedarline Copperfield Dunmore Eastgate Fairhaven Greenmantle Harborview Ironbridge Juniper Kestrel
    Larkspur Meridian Northwind Oakhurst Pinecrest Quayside Redwood Silverlake Thornbury Umbra Vantage Westmarch Yarrow""".split()  # noqa: SIM905  # a hundred lines of one name each say no more
)
COMPANY_KINDS: Final = ("Logistics", "Foods", "Energy", "Health", "Software", "Travel", "Textiles", "Insurance")

CITIES: Final = (
    ("Berlin", "Germany", "10115", "de-DE", "Europe/Berlin"),
    ("Lisbon", "Portugal", "1100-148", "pt-PT", "Europe/Lisbon"),
    ("London", "United Kingdom", "SW1A 1AA", "en-GB", "Europe/London"),
    ("Madrid", "Spain", "28013", "es-ES", "Europe/Madrid"),
    ("Milan", "Italy", "20121", "it-IT", "Europe/Rome"),
    ("New York", "United States", "10001", "en-US", "America/New_York"),
    ("Paris", "France", "75001", "fr-FR", "Europe/Paris"),
    ("San Francisco", "United States", "94103", "en-US", "America/Los_Angeles"),
    ("São Paulo", "Brazil", "01310-100", "pt-BR", "America/Sao_Paulo"),
    ("Stockholm", "Sweden", "111 20", "sv-SE", "Europe/Stockholm"),
    ("Sydney", "Australia", "2000", "en-AU", "Australia/Sydney"),
    ("Tokyo", "Japan", "100-0001", "ja-JP", "Asia/Tokyo"),
)
"""City, country, postal code, locale, time zone."""

AGENTS: Final = (
    ("maria.keller", "Maria Keller", "AGENT"),
    ("tom.okafor", "Tom Okafor", "AGENT"),
    ("li.chen", "Li Chen", "AGENT"),
    ("jonas.berg", "Jonas Berg", "AGENT"),
    ("sam.lindqvist", "Sam Lindqvist", "SUPERVISOR"),
)
"""Subject, name, kind."""

JOB_TITLES: Final = (
    "Accountant",
    "Architect",
    "Buyer",
    "Chief of staff",
    "Consultant",
    "Data analyst",
    "Engineer",
    "Head of operations",
    "Nurse",
    "Office manager",
    "Photographer",
    "Project lead",
    "Researcher",
    "Sales director",
    "Teacher",
)
ROLES: Final = ("Billing contact", "Decision maker", "Employee", "Owner", "Technical contact")
PRODUCTS: Final = (
    ("Trail running shoes", "Footwear", 129.0),
    ("Merino base layer", "Clothing", 79.5),
    ("Rain jacket", "Clothing", 189.0),
    ("Two-person tent", "Camping", 349.0),
    ("Down sleeping bag", "Camping", 259.0),
    ("Titanium mug", "Camping", 34.9),
    ("Road bike helmet", "Cycling", 119.0),
    ("Bike repair stand", "Cycling", 149.0),
    ("GPS watch", "Electronics", 399.0),
    ("Head torch", "Electronics", 54.0),
    ("Climbing harness", "Climbing", 69.0),
    ("60 m rope", "Climbing", 199.0),
)
"""Name, category, price."""

PAGES: Final = (
    ("/", "Home"),
    ("/new", "New arrivals"),
    ("/footwear/trail-running", "Trail running shoes"),
    ("/clothing/rain", "Rain jackets"),
    ("/camping/tents", "Tents"),
    ("/cycling/helmets", "Helmets"),
    ("/electronics/watches", "GPS watches"),
    ("/basket", "Your basket"),
    ("/checkout/delivery", "Delivery"),
    ("/help/returns", "Returns and refunds"),
    ("/help/delivery-times", "Delivery times"),
    ("/account/orders", "Your orders"),
    ("/account/plan", "Your plan"),
)
QUEUES: Final = ("Billing", "Business customers", "Orders", "Returns", "Technical support")
SUMMARIES: Final = (
    ("Delivery", "Asked where the parcel is; it was two days late and has arrived since."),
    ("Return", "Wanted to return a jacket in the wrong size; label sent by e-mail."),
    ("Invoice", "Disputed a charge on the last invoice; credited after review."),
    ("Product advice", "Asked which tent suits winter; recommended the four-season one."),
    ("Address change", "Changed the delivery address before dispatch."),
    ("Warranty", "Reported a broken zip; replacement ordered under warranty."),
    ("Cancellation", "Considered cancelling the plan; stays until the renewal."),
    ("Product advice", "Set up the GPS watch together; synchronises now."),
)
"""Topic of a conversation, and what was said."""
NOTES: Final = (
    "Prefers a call back after 17:00, never before.",
    "Speaks fast and knows the products well: skip the basics.",
    "Sent photos of the damage; they are in the ticket.",
    "Very satisfied with the last repair. Mentioned a club of 40 runners that buys together.",
    "Asked for all invoices to go to the accounting department.",
    "Wheelchair user: delivery has to come to the ground floor entrance.",
    "Promised a decision on the business plan by the end of the month.",
    "Was put through three times last week. Please own the case.",
    "Moves house soon, check the address before every shipment.",
    "Voucher for the late delivery was granted, not used yet.",
    "Wants no marketing calls; e-mail is fine.",
    "Authorised a colleague to place orders; password is in the account settings.",
)
